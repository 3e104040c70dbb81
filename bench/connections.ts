/**
 * Many people connected to one relay: what each costs it, how messages go among some of them
 * meanwhile, and how all come back after it was killed. Each is a whole client core. They live in
 * processes of their own, because no process may hold that many files.
 */
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "../electron/client/index.js";
import { crowd } from "./crowd.js";
import { type Program, startProgram, stopProgram } from "./processes.js";
import { type Latency, latencyOf } from "./stats.js";

/** People in one process: its sockets have to fit its files, and its timers its processor. */
const MOST_IN_ONE = 5_000;
/** Of all of them together, in pairs. */
const TALKING = 1_000;
const MESSAGES_EACH = 20;
/** From one message of a pair to its next. */
const PAUSE_MS = 1_000;
const LOOK_MS = 100;
/** What comes and goes by itself after connecting is over by then. */
const SETTLE_MS = 5_000;

type Order = { readonly order: "talk"; readonly pairs: number } | { readonly order: "watch" };
type Report =
  | { readonly report: "connected" }
  | { readonly report: "talked"; readonly samples: readonly number[] }
  /** Those that are connected, at a time of the wall clock. */
  | { readonly report: "present"; readonly at: number; readonly count: number };

const tell = (report: Report): void => void process.stdout.write(`${JSON.stringify(report)}\n`);

/** One message to the other of the pair; milliseconds until it is shown there. */
async function deliver(from: Client, to: Client, handle: string, text: string): Promise<number> {
  const { conversationId } = await from.call("conversations.open", { handle });
  const startedAt = performance.now();
  const shown = new Promise<number>((resolve) => {
    const end = to.subscribe(({ event, data }) => {
      if (event !== "message.added" || data.text !== text) return;
      end();
      resolve(performance.now() - startedAt);
    });
  });
  await from.call("messages.send", { conversationId, text });
  return shown;
}

async function talk(clients: readonly Client[], prefix: string, pairs: number): Promise<void> {
  const samples: number[] = [];
  await Promise.all(
    Array.from({ length: pairs }, async (_, pair) => {
      const [from, to] = [clients[2 * pair], clients[2 * pair + 1]] as [Client, Client];
      const handle = `${prefix}${2 * pair + 1}`;
      // Not all at once.
      await sleep((PAUSE_MS * pair) / pairs);
      for (let i = -1; i < MESSAGES_EACH; i++) {
        const ms = await deliver(from, to, handle, `${prefix} ${pair} ${i}`);
        // The first one opens the conversation.
        if (i >= 0) samples.push(ms);
        await sleep(Math.max(0, PAUSE_MS - ms));
      }
    }),
  );
  tell({ report: "talked", samples });
}

async function watch(clients: readonly Client[]): Promise<void> {
  for (;;) {
    const states = await Promise.all(clients.map((client) => client.call("connection.get", {})));
    const count = states.filter(({ relay }) => relay === "connected").length;
    tell({ report: "present", at: Date.now(), count });
    await sleep(LOOK_MS);
  }
}

/** A process full of people. */
export async function serveCrowd(url: string, prefix: string, count: number): Promise<void> {
  const clients = await crowd(url, count, prefix);
  tell({ report: "connected" });
  for await (const line of createInterface({ input: process.stdin })) {
    const order = JSON.parse(line) as Order;
    if (order.order === "talk") await talk(clients, prefix, order.pairs);
    else void watch(clients);
  }
}

class Crowd {
  readonly size: number;
  readonly #program: Program;
  readonly #listeners = new Set<(report: Report) => void>();

  constructor(url: string, prefix: string, size: number) {
    this.size = size;
    this.#program = startProgram("bench", ["crowd", url, prefix, String(size)]);
    createInterface({ input: this.#program.stdout }).on("line", (line) => {
      for (const listener of this.#listeners) listener(JSON.parse(line) as Report);
    });
  }

  order(order: Order): void {
    this.#program.stdin.write(`${JSON.stringify(order)}\n`);
  }

  listen(listener: (report: Report) => void): void {
    this.#listeners.add(listener);
  }

  next<R extends Report["report"]>(wanted: R): Promise<Extract<Report, { report: R }>> {
    return new Promise((resolve) => {
      const listener = (report: Report): void => {
        if (report.report !== wanted) return;
        this.#listeners.delete(listener);
        resolve(report as Extract<Report, { report: R }>);
      };
      this.#listeners.add(listener);
    });
  }

  async end(): Promise<void> {
    this.#program.stdin.end();
    await stopProgram(this.#program);
  }
}

export interface ConnectionsCost {
  readonly connections: number;
  /** Of the relay's resident memory. */
  readonly bytesEach: number;
  /** Seconds of the relay's processor per second, for all of them idle. */
  readonly idle: number;
  readonly talking: number;
  readonly latency: Latency;
  /** Seconds from the new relay's start until all were there again. */
  readonly backAfter: number;
  readonly mostBackPerSecond: number;
}

export interface RelayUnderTest {
  readonly url: string;
  readonly http: string;
  /** Ends it with `kill -9` and starts it again on the same port. */
  again(): Promise<void>;
}

async function usage(http: string): Promise<{ bytes: number; seconds: number }> {
  const text = await (await fetch(`${http}/metrics`)).text();
  const read = (name: string): number =>
    Number(new RegExp(`^${name} (\\S+)`, "m").exec(text)?.[1] ?? Number.NaN);
  return {
    bytes: read("process_resident_memory_bytes"),
    seconds: read("process_cpu_seconds_total"),
  };
}

/** Until all are there again, by what the crowds tell; and how many came at most in a second. */
async function comingBack(
  relay: RelayUnderTest,
  crowds: readonly Crowd[],
): Promise<{ backAfter: number; mostBackPerSecond: number }> {
  const present = crowds.map((each) => each.size);
  const all = present.reduce((sum, each) => sum + each, 0);
  const course: { at: number; count: number }[] = [];
  const back = new Promise<number>((resolve) => {
    for (const [index, each] of crowds.entries()) {
      each.listen((report) => {
        if (report.report !== "present") return;
        present[index] = report.count;
        const count = present.reduce((sum, each) => sum + each, 0);
        course.push({ at: report.at, count });
        const wasDown = course.some((then) => then.count < all / 2);
        if (wasDown && count === all) resolve(report.at);
      });
      each.order({ order: "watch" });
    }
  });
  await sleep(2 * LOOK_MS);
  await relay.again();
  const startedAt = Date.now();
  const endedAt = await back;
  let mostBackPerSecond = 0;
  for (const { at, count } of course) {
    const before = course.findLast((then) => then.at <= at - 1_000);
    if (before) mostBackPerSecond = Math.max(mostBackPerSecond, count - before.count);
  }
  return { backAfter: (endedAt - startedAt) / 1_000, mostBackPerSecond };
}

export async function measureConnections(
  relay: RelayUnderTest,
  connections: number,
): Promise<ConnectionsCost> {
  const before = await usage(relay.http);
  const crowds: Crowd[] = [];
  try {
    for (let left = connections; left > 0; left -= MOST_IN_ONE) {
      crowds.push(new Crowd(relay.url, `c${crowds.length}x`, Math.min(MOST_IN_ONE, left)));
    }
    await Promise.all(crowds.map((each) => each.next("connected")));
    await sleep(SETTLE_MS);
    const there = await usage(relay.http);
    await sleep(SETTLE_MS);
    const later = await usage(relay.http);
    const talking = Math.min(TALKING, 2 * Math.floor(connections / 2));
    const talked = crowds.map((each) => each.next("talked"));
    for (const each of crowds) {
      each.order({ order: "talk", pairs: Math.floor(talking / 2 / crowds.length) });
    }
    const samples = (await Promise.all(talked)).flatMap((each) => [...each.samples]);
    return {
      connections,
      bytesEach: (there.bytes - before.bytes) / connections,
      idle: (later.seconds - there.seconds) / (SETTLE_MS / 1_000),
      talking,
      latency: latencyOf(samples),
      ...(await comingBack(relay, crowds)),
    };
  } finally {
    await Promise.all(crowds.map((each) => each.end()));
  }
}

/** A Markdown table, so that it can be put into docs/performance.md as it is. */
export function reportConnections(cost: ConnectionsCost): string {
  const rows = [
    ["connections", "memory each", "processor, all idle", "p50 among 1,000", "p99"],
    ["---:", "---:", "---:", "---:", "---:"],
    [
      cost.connections.toLocaleString("en"),
      `${(cost.bytesEach / 1024).toFixed(1)} KiB`,
      `${(cost.idle * 100).toFixed(1)} %`,
      `${cost.latency.p50.toFixed(1)} ms`,
      `${cost.latency.p99.toFixed(1)} ms`,
    ],
    [],
    ["killed and started again: all back after", "most in one second"],
    ["---:", "---:"],
    [`${cost.backAfter.toFixed(1)} s`, cost.mostBackPerSecond.toLocaleString("en")],
  ];
  return `${rows.map((row) => (row.length > 0 ? `| ${row.join(" | ")} |` : "")).join("\n")}\n`;
}
