import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { readEvent, startCommand, stopChild } from "./children.mjs";
import { readState, writeState } from "./home.mjs";
import { say } from "./paths.mjs";

const HOST = "127.0.0.1";
const DEFAULT_PORT = 8787;
const PROBE_MS = 2_000;
const RESTART_MS = 500;

/** Whether a Dovetail relay answers there. */
export async function isRelay(http) {
  try {
    const answer = await fetch(`${http}/metrics`, { signal: AbortSignal.timeout(PROBE_MS) });
    return answer.ok && /^dovetail_/m.test(await answer.text());
  } catch {
    return false;
  }
}

const isFree = (port) =>
  new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, HOST, () => server.close(() => resolve(true)));
  });

/** A relay process, started again whenever it ends by itself, with the same data and address. */
export class KeptRelay {
  #data;
  #child;
  #stopping = new AbortController();
  http = "";
  url = "";

  constructor(data) {
    this.#data = data;
  }

  /** `port` 0 takes any that is free. */
  async start(port) {
    const where = ["--host", HOST, "--port", String(port), "--data", this.#data, "--workers", "1"];
    this.#child = startCommand("relay", [...where, "--log-level", "warn"]);
    this.#child.once("exit", () => this.#restart());
    ({ url: this.url, http: this.http } = await readEvent(this.#child, "listening"));
  }

  async #restart() {
    // One that never ran has a reason that starting it again would not remove.
    if (this.#stopping.signal.aborted || this.http === "") return;
    say("The relay has ended unexpectedly; starting it again.");
    try {
      await delay(RESTART_MS, undefined, { signal: this.#stopping.signal });
      await this.start(Number(new URL(this.http).port));
    } catch (error) {
      if (!this.#stopping.signal.aborted) say(error.message);
    }
  }

  async stop() {
    this.#stopping.abort();
    if (this.#child) await stopChild(this.#child);
  }
}

/**
 * The relay of `npm start`. A profile belongs to one relay, so it keeps its port from start to
 * start; another one is taken only where something else sits there, and kept from then on.
 */
export async function homeRelay(home) {
  const file = join(home, "relay.json");
  const port = readState(file)?.port ?? DEFAULT_PORT;
  const place = `${HOST}:${port}`;
  const free = await isFree(port);
  if (!free && (await isRelay(`http://${place}`))) {
    return { url: `ws://${place}`, http: `http://${place}`, stop: async () => {} };
  }
  const relay = new KeptRelay(join(home, "relay"));
  await relay.start(free ? port : 0);
  writeState(file, { port: Number(new URL(relay.http).port) });
  return relay;
}
