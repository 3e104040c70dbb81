/**
 * Many people connected to one relay: what each costs it, how messages go among some of them
 * meanwhile, and how all come back after it was killed. Each is a whole client core. They live in
 * processes of their own, because no process may hold that many files.
 */
import { constants, setPriority } from "node:os";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "../electron/client/index.js";
import { crowd } from "./crowd.js";
import { type Program, startProgram, stopProgram } from "./processes.js";
import { type Latency, latencyOf } from "./stats.js";

/** People in one process: its sockets have to fit its files, and its timers its processor. */
const MOST_IN_ONE = 5_000;
/**
 * From one address to one other there are some 28,000 ports (Linux's ip_local_port_range), so with more
 * connections each process goes to another of the machine's own addresses.
 */
const MOST_TO_ONE_ADDRESS = 25_000;
/** Of all of them together, in pairs. */
const TALKING = 1_000;
const MESSAGES_EACH = 20;
/** From one message of a pair to its next. */
const PAUSE_MS = 1_000;
const LOOK_MS = 100;
/** What comes and goes by itself after connecting is over by then. */
const SETTLE_MS = 5_000;
/** Whoever is not back by then, on a machine that has too few cores for all of them, is counted. */
const BACK_MS = 5 * 60_000;

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

/** By what each client tells: asking five thousand of them ten times a second would keep a core busy. */
async function watch(clients: readonly Client[]): Promise<void> {
  const connected = new Set<Client>();
  const heard = (client: Client, { relay }: { relay: string }): void => {
    if (relay === "connected") connected.add(client);
    else connected.delete(client);
  };
  for (const client of clients) {
    client.subscribe(({ event, data }) => event === "connection.changed" && heard(client, data));
  }
  await Promise.all(
    clients.map(async (client) => heard(client, await client.call("connection.get", {}))),
  );
  for (;;) {
    tell({ report: "present", at: Date.now(), count: connected.size });
    await sleep(LOOK_MS);
  }
}

/** A process full of people. They are elsewhere in life, and so their relay is served first here. */
export async function serveCrowd(url: string, prefix: string, count: number): Promise<void> {
  setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
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
  #ended = false;

  constructor(url: string, prefix: string, size: number) {
    this.size = size;
    this.#program = startProgram("bench", ["crowd", url, prefix, String(size)]);
    this.#program.once("exit", (code, signal) => {
      if (this.#ended) return;
      process.stderr.write(
        `Some clients have ended (${signal ?? code}), so nothing is measured.\n`,
      );
      process.exit(1);
    });
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
    this.#ended = true;
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
  readonly returns: readonly Return[];
}

interface Return {
  readonly after: string;
  /** Seconds from the end of what was killed until all were there again, or nobody waited any more. */
  readonly backAfter: number;
  /** Of those who were not. */
  readonly missing: number;
  readonly mostBackPerSecond: number;
}

export interface RelayUnderTest {
  readonly url: string;
  readonly http: string;
  /** Ends it with `kill -9` and starts it again on the same port. */
  again(): Promise<void>;
  /** Process ids of its workers; none where it is one process. */
  workers(): readonly number[];
  /** Process ids of all of it. */
  processes(): readonly number[];
}

async function usage(http: string): Promise<{ bytes: number; seconds: number }> {
  const text = await (await fetch(`${http}/metrics`)).text();
  /** Of all workers. */
  const read = (name: string): number =>
    [...text.matchAll(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)`, "gm"))].reduce(
      (sum, [, value]) => sum + Number(value),
      0,
    );
  return {
    bytes: read("process_resident_memory_bytes"),
    seconds: read("process_cpu_seconds_total"),
  };
}

interface Present {
  readonly at: number;
  readonly count: number;
}

/** How many of all are connected, by what the crowds tell; from when it is first asked. */
class Course {
  readonly all: number;
  readonly #course: Present[] = [];
  readonly #watchers = new Set<(now: Present) => void>();

  constructor(crowds: readonly Crowd[]) {
    const present = crowds.map((each) => each.size);
    this.all = present.reduce((sum, each) => sum + each, 0);
    for (const [index, each] of crowds.entries()) {
      each.listen((report) => {
        if (report.report !== "present") return;
        present[index] = report.count;
        const now = { at: report.at, count: present.reduce((sum, count) => sum + count, 0) };
        this.#course.push(now);
        for (const watcher of this.#watchers) watcher(now);
      });
      each.order({ order: "watch" });
    }
  }

  /** Until all are there again after something has taken at least that many away. */
  async comingBack(after: string, least: number, strike: () => Promise<void>): Promise<Return> {
    const from = this.#course.length;
    const startedAt = Date.now();
    let missing = 0;
    const back = new Promise<number>((resolve) => {
      let wasDown = false;
      const watcher = ({ at, count }: Present): void => {
        wasDown ||= count <= this.all - least;
        missing = this.all - count;
        const isBack = wasDown && missing === 0;
        if (!isBack && at < startedAt + BACK_MS) return;
        this.#watchers.delete(watcher);
        resolve(at);
      };
      this.#watchers.add(watcher);
    });
    await strike();
    const endedAt = await back;
    const course = this.#course.slice(from);
    let mostBackPerSecond = 0;
    for (const { at, count } of course) {
      const before = course.findLast((then) => then.at <= at - 1_000);
      if (before) mostBackPerSecond = Math.max(mostBackPerSecond, count - before.count);
    }
    const backAfter = (endedAt - startedAt) / 1_000;
    return { after, backAfter, missing, mostBackPerSecond };
  }
}

/** Of a relay of several workers first one of them ends, and then everything. */
async function returns(relay: RelayUnderTest, crowds: readonly Crowd[]): Promise<Return[]> {
  const course = new Course(crowds);
  const found: Return[] = [];
  await sleep(2 * LOOK_MS);
  const workers = relay.workers();
  const [worker] = workers;
  if (worker !== undefined) {
    const share = course.all / workers.length;
    found.push(
      await course.comingBack("one worker killed", share / 2, async () => {
        process.kill(worker, "SIGKILL");
      }),
    );
    await sleep(SETTLE_MS);
  }
  const again = () => relay.again();
  found.push(await course.comingBack("all killed and started again", course.all / 2, again));
  return found;
}

export async function measureConnections(
  relay: RelayUnderTest,
  connections: number,
): Promise<ConnectionsCost> {
  const before = await usage(relay.http);
  const crowds: Crowd[] = [];
  try {
    for (let left = connections; left > 0; left -= MOST_IN_ONE) {
      const address =
        connections > MOST_TO_ONE_ADDRESS ? `127.0.0.${2 + crowds.length}` : "127.0.0.1";
      const url = relay.url.replace("127.0.0.1", address);
      crowds.push(new Crowd(url, `c${crowds.length}x`, Math.min(MOST_IN_ONE, left)));
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
      returns: await returns(relay, crowds),
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
    ["ended by `kill -9`", "all back after", "most in one second"],
    ["---", "---:", "---:"],
    ...cost.returns.map(({ after, backAfter, missing, mostBackPerSecond }) => [
      after,
      `${backAfter.toFixed(1)} s${missing > 0 ? `, but for ${missing.toLocaleString("en")}` : ""}`,
      mostBackPerSecond.toLocaleString("en"),
    ]),
  ];
  return `${rows.map((row) => (row.length > 0 ? `| ${row.join(" | ")} |` : "")).join("\n")}\n`;
}
