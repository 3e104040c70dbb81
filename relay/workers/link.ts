import { timingSafeEqual } from "node:crypto";
import type { Socket } from "node:net";
import type { NodeId } from "../core/cluster/ring.js";
import { MAX_LINK_BYTES } from "./bounds.js";

/** What a message is: its first byte. */
export const Kind = { hello: 0, bus: 1, question: 2, answer: 3 } as const;
export type Kind = (typeof Kind)[keyof typeof Kind];

const LENGTH_BYTES = 4;
export const SECRET_BYTES = 32;
const NODE_BYTES = 32;
/** Until the other side has shown that it knows the secret. */
const MAX_HELLO_BYTES = LENGTH_BYTES + 1 + SECRET_BYTES + NODE_BYTES;

interface LinkListener {
  /** The other side is a worker of this relay. */
  met(node: NodeId): void;
  message(kind: Kind, body: Buffer): void;
  ended(reason: Error | null): void;
}

/**
 * One connection between two workers: messages with their length before them (big-endian, 4 bytes) and
 * a byte that says what they are. The first, from both sides, is the relay's secret and the node's id.
 */
export class Link {
  readonly #socket: Socket;
  readonly #secret: Buffer;
  readonly #listener: LinkListener;
  #met = false;
  #received: Buffer = Buffer.alloc(0);
  #queue: Buffer[] = [];

  constructor(socket: Socket, own: { secret: Buffer; node: NodeId }, listener: LinkListener) {
    this.#socket = socket;
    this.#secret = own.secret;
    this.#listener = listener;
    let failure: Error | null = null;
    socket.on("data", (chunk: Buffer) => this.#take(chunk));
    socket.on("error", (error) => {
      failure = error;
    });
    socket.on("close", () => listener.ended(failure));
    this.send(Kind.hello, Buffer.concat([own.secret, Buffer.from(own.node, "latin1")]));
  }

  get waitingBytes(): number {
    return this.#socket.writableLength;
  }

  /** In the order of the calls; all of one turn of the event loop go in one write. */
  send(kind: Kind, body: Uint8Array): void {
    if (this.#queue.length === 0) setImmediate(() => this.#flush());
    const head = Buffer.allocUnsafe(LENGTH_BYTES + 1);
    head.writeUInt32BE(body.length + 1, 0);
    head[LENGTH_BYTES] = kind;
    this.#queue.push(head, Buffer.from(body.buffer, body.byteOffset, body.byteLength));
  }

  /** After what was sent. */
  end(): void {
    this.#flush();
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #flush(): void {
    const queue = this.#queue;
    this.#queue = [];
    if (queue.length > 0 && !this.#socket.destroyed) this.#socket.write(Buffer.concat(queue));
  }

  #take(chunk: Buffer): void {
    let data = this.#received.length > 0 ? Buffer.concat([this.#received, chunk]) : chunk;
    while (data.length >= LENGTH_BYTES) {
      const length = data.readUInt32BE(0);
      if (length < 1 || length > (this.#met ? MAX_LINK_BYTES : MAX_HELLO_BYTES)) {
        this.#socket.destroy(new Error(`A message of ${length} bytes.`));
        return;
      }
      if (data.length < LENGTH_BYTES + length) break;
      const body = data.subarray(LENGTH_BYTES + 1, LENGTH_BYTES + length);
      this.#message(data[LENGTH_BYTES] as Kind, body);
      if (this.#socket.destroyed) return;
      data = data.subarray(LENGTH_BYTES + length);
    }
    this.#received = data;
  }

  #message(kind: Kind, body: Buffer): void {
    if (this.#met) {
      this.#listener.message(kind, body);
      return;
    }
    const secret = body.subarray(0, SECRET_BYTES);
    const node = body.subarray(SECRET_BYTES).toString("latin1");
    const known =
      kind === Kind.hello &&
      secret.length === SECRET_BYTES &&
      timingSafeEqual(secret, this.#secret) &&
      /^[0-9a-f]{32}$/.test(node);
    if (!known) {
      this.#socket.destroy(new Error("Somebody who is not of this relay."));
      return;
    }
    this.#met = true;
    this.#listener.met(node as NodeId);
  }
}
