/** The way from one device to the relay, as a proxy that can be cut, made silent and made slow. */
import { createServer, connect as dial, type Server, type Socket } from "node:net";
import { pipeline, Transform } from "node:stream";

/** `cut`: connections break and new ones are refused. `silent`: nothing comes through, and no word of it. */
export type Way = "open" | "cut" | "silent";

export class RelayPath {
  /** The longest that a piece of the stream is held back, in milliseconds. */
  delayMs = 0;
  #way: Way = "open";
  readonly #server: Server;
  readonly #target: number;
  readonly #random: () => number;
  readonly #sockets = new Set<Socket>();
  readonly #held: (() => void)[] = [];

  private constructor(target: number, random: () => number) {
    this.#target = target;
    this.#random = random;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  /** On a port of `host` that is free, to a port of this machine. */
  static async open(host: string, target: number, random: () => number): Promise<RelayPath> {
    const path = new RelayPath(target, random);
    await new Promise<void>((done, failed) => {
      path.#server.once("error", failed);
      path.#server.listen(0, host, done);
    });
    return path;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("not listening");
    return address.port;
  }

  set way(way: Way) {
    this.#way = way;
    if (way === "cut") for (const socket of this.#sockets) socket.resetAndDestroy();
    if (way !== "silent") for (const release of this.#held.splice(0)) release();
  }

  async close(): Promise<void> {
    this.way = "cut";
    await new Promise((done) => this.#server.close(done));
  }

  #accept(client: Socket): void {
    if (this.#way === "cut") {
      client.resetAndDestroy();
      return;
    }
    const relay = dial(this.#target, "127.0.0.1");
    for (const socket of [client, relay]) {
      socket.setNoDelay(true);
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    }
    // What breaks on one side breaks on the other; there is nobody to tell besides.
    const over = (): void => {
      client.destroy();
      relay.destroy();
    };
    pipeline(client, this.#wire(), relay, over);
    pipeline(relay, this.#wire(), client, over);
  }

  #wire(): Transform {
    return new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        const pass = (): void => {
          if (this.#way === "silent") this.#held.push(pass);
          else done(null, chunk);
        };
        if (this.delayMs > 0) setTimeout(pass, this.#random() * this.delayMs);
        else pass();
      },
    });
  }
}
