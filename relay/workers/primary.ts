import cluster, { type Worker } from "node:cluster";
import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Log } from "../../shared/runtime.js";
import { MAX_PATH_BYTES } from "../admin/socket-path.js";
import { MAX_RESTART_MS, RESTART_MS, SETTLED_MS } from "./bounds.js";
import { SECRET_BYTES } from "./link.js";
import { encodeSettings, fromWorker, type ToWorker, WORKER_VARIABLE } from "./messages.js";
import { prepareFolders } from "./prepare.js";

/** Where clients and operators reach the relay. */
export interface Listening {
  readonly url: string;
  readonly http: string;
}

interface Seated {
  worker: Worker;
  startedAt: number;
  /** How often it has ended soon after its start. */
  failures: number;
  listening: boolean;
  drained: boolean;
  stopped: () => void;
}

/**
 * The first process of a relay of several: it takes connections and hands them to its workers in turn,
 * and starts a worker again that has ended. It has none of the data itself.
 */
export class Primary {
  readonly #count: number;
  readonly #log: Log;
  readonly #name: string;
  readonly #sockets: string;
  readonly #secret = randomBytes(SECRET_BYTES);
  readonly #seats: Seated[] = [];
  /** The port that was found where any free one was asked for. */
  #port: number | null = null;
  #stopping = false;
  #fail: (error: Error) => void = () => {};
  #allDrained: () => void = () => {};
  /** An operator's command has sent all clients away. */
  readonly drained = new Promise<void>((resolve) => {
    this.#allDrained = resolve;
  });

  private constructor(count: number, log: Log, name: string, sockets: string) {
    this.#count = count;
    this.#log = log;
    this.#name = name;
    this.#sockets = sockets;
  }

  /**
   * Resolves when every worker takes clients.
   * @throws DovetailError as `prepareFolders`; Error where a worker cannot start, which has said why.
   */
  static async start(
    options: {
      readonly data: string;
      readonly workers: number;
      readonly name?: string | undefined;
    },
    log: Log,
  ): Promise<{ primary: Primary; listening: Listening }> {
    const name = await prepareFolders(options.data, log);
    const sockets = await makeSocketFolder(options.data);
    const primary = new Primary(options.workers, log, options.name ?? name, sockets);
    try {
      return { primary, listening: await primary.#begin() };
    } catch (error) {
      await primary.stop();
      throw error;
    }
  }

  /** Every worker ends its writes and sends its clients away, and only when all have they close their folders. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const alive = this.#seats.filter(({ worker }) => !worker.isDead());
    const ends = alive.map(
      ({ worker }) => new Promise<void>((resolve) => worker.once("exit", () => resolve())),
    );
    await Promise.all(
      alive.map(
        (seat) =>
          new Promise<void>((resolve) => {
            seat.stopped = resolve;
            seat.worker.once("exit", () => resolve());
            tell(seat.worker, { type: "stop" });
          }),
      ),
    );
    for (const { worker } of alive) tell(worker, { type: "close" });
    await Promise.all(ends);
    await rm(this.#sockets, { recursive: true, force: true });
  }

  /** Its workers read their certificate anew. */
  renew(): void {
    for (const { worker } of this.#seats) tell(worker, { type: "renew" });
  }

  /** At once, and nothing acknowledged is lost by it. */
  kill(): void {
    for (const { worker } of this.#seats) worker.process.kill("SIGKILL");
  }

  #begin(): Promise<Listening> {
    cluster.setupPrimary({ exec: process.argv[1] ?? "", args: process.argv.slice(2) });
    return new Promise((resolve, reject) => {
      this.#fail = reject;
      const listening = (at: Listening): void => {
        if (this.#seats.length === this.#count && this.#seats.every((seat) => seat.listening)) {
          this.#fail = () => {};
          resolve(at);
        }
      };
      for (let index = 0; index < this.#count; index++) {
        const seat = {
          startedAt: 0,
          failures: 0,
          listening: false,
          drained: false,
          stopped: () => {},
        };
        this.#seats.push({ ...seat, worker: this.#fork(index) });
        this.#watch(index, listening);
      }
    });
  }

  #fork(index: number): Worker {
    const settings = {
      index,
      count: this.#count,
      sockets: this.#sockets,
      secret: this.#secret,
      name: this.#name,
    };
    return cluster.fork({
      [WORKER_VARIABLE]: encodeSettings(settings),
      ...(this.#port !== null && { DOVETAIL_RELAY_PORT: `${this.#port}` }),
    });
  }

  #watch(index: number, listening: (at: Listening) => void): void {
    const seat = this.#seats[index] as Seated;
    const { worker } = seat;
    seat.startedAt = performance.now();
    worker.on("message", (given: unknown) => {
      const message = fromWorker.safeParse(given).data;
      if (message?.type === "stopped") seat.stopped();
      if (message?.type === "drained") {
        seat.drained = true;
        if (this.#seats.every(({ drained }) => drained)) this.#allDrained();
      }
      if (message?.type === "failed") {
        this.#log.error("worker.failed", { worker: index, reason: message.reason });
        this.#fail(new Error(message.reason));
      }
      if (message?.type !== "listening") return;
      seat.listening = true;
      this.#port = message.port;
      this.#log.info("worker.listening", { worker: index, process: worker.process.pid });
      listening(message);
    });
    worker.once("exit", (code: number | null, signal: string | null) => {
      if (this.#stopping) return;
      // At the first start there is nothing to keep up: what is wrong is for whoever started it.
      this.#fail(new Error("A worker ended while it started."));
      this.#log.error("worker.ended", { worker: index, code, signal });
      const settled = performance.now() - seat.startedAt > SETTLED_MS;
      seat.failures = settled ? 0 : seat.failures + 1;
      const waitMs = Math.min(MAX_RESTART_MS, RESTART_MS * 2 ** Math.max(0, seat.failures - 1));
      setTimeout(() => {
        if (this.#stopping) return;
        seat.worker = this.#fork(index);
        this.#watch(index, listening);
      }, waitMs);
    });
  }
}

const SOCKETS = "sockets-";

/** In the data folder, which is this relay's alone; elsewhere where the paths would be too long. */
async function makeSocketFolder(data: string): Promise<string> {
  const prefix = resolve(data, SOCKETS);
  if (Buffer.byteLength(`${prefix}XXXXXX/00.sock`) > MAX_PATH_BYTES) {
    return mkdtemp(join(tmpdir(), "dovetail-"));
  }
  // Of relays that were killed: one that runs would have the directory open.
  for (const name of await readdir(data)) {
    if (name.startsWith(SOCKETS)) await rm(join(data, name), { recursive: true, force: true });
  }
  return mkdtemp(prefix);
}

function tell(worker: Worker, message: ToWorker): void {
  // One that has just ended hears nothing, which is seen by its end.
  if (worker.isConnected()) worker.send(message, () => undefined);
}
