import cluster from "node:cluster";
import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { nodeClock } from "../../shared/node/runtime.js";
import type { Clock, Log } from "../../shared/runtime.js";
import { MAX_PATH_BYTES } from "../admin/socket-path.js";
import { Crew, type Fork, type Listening } from "./crew.js";
import { SECRET_BYTES } from "./link.js";
import { encodeSettings, WORKER_VARIABLE, type WorkerSettings } from "./messages.js";
import { prepareFolders } from "./prepare.js";

/** Also while none of the workers is there, which would keep the process alive. */
const clock: Clock = {
  ...nodeClock,
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    return { cancel: () => clearTimeout(timer) };
  },
};

/**
 * The first process of a relay of several: it takes connections and hands them to its workers in turn,
 * and keeps them running. It has none of the data itself.
 */
export class Primary {
  readonly #crew: Crew;
  readonly #sockets: string;

  private constructor(crew: Crew, sockets: string) {
    this.#crew = crew;
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
    const kept = await prepareFolders(options.data, log);
    const sockets = await makeSocketFolder(options.data);
    const { workers: count, name = kept } = options;
    const fork = forkOf({ count, sockets, secret: randomBytes(SECRET_BYTES), name });
    const crew = new Crew(count, { fork, clock, log });
    const primary = new Primary(crew, sockets);
    try {
      return { primary, listening: await crew.begin() };
    } catch (error) {
      await primary.stop();
      throw error;
    }
  }

  /** An operator's command has sent all clients away. */
  get drained(): Promise<void> {
    return this.#crew.drained;
  }

  /** Resolves with why, where a worker cannot be kept running. */
  get failed(): Promise<string> {
    return this.#crew.failed;
  }

  /** All of them, and nothing is lost. */
  async stop(): Promise<void> {
    await this.#crew.stop();
    await rm(this.#sockets, { recursive: true, force: true });
  }

  /** Its workers read their certificate anew. */
  renew(): void {
    this.#crew.renew();
  }

  /** At once, and nothing acknowledged is lost by it. */
  kill(): void {
    this.#crew.kill();
  }
}

/** This program anew, as one of its workers. */
function forkOf(settings: Omit<WorkerSettings, "index">): Fork {
  cluster.setupPrimary({ exec: process.argv[1] ?? "", args: process.argv.slice(2) });
  return (index, port, listener) => {
    const worker = cluster.fork({
      [WORKER_VARIABLE]: encodeSettings({ ...settings, index }),
      ...(port !== null && { DOVETAIL_RELAY_PORT: `${port}` }),
    });
    worker.on("message", (given: unknown) => listener.said(given));
    worker.once("exit", (code: number | null, signal: string | null) =>
      listener.ended(code, signal),
    );
    return {
      pid: worker.process.pid,
      tell(message) {
        if (worker.isConnected()) worker.send(message, () => undefined);
      },
      kill: () => void worker.process.kill("SIGKILL"),
    };
  };
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
