/** Who keeps a relay's workers running, with workers that do what the test says. */
import { beforeEach, describe, expect, it } from "vitest";
import {
  ALIVE_MS,
  MAX_FAILURES,
  MAX_RESTART_MS,
  SETTLED_MS,
  SILENT_TICKS,
  START_TICKS,
} from "../../relay/workers/bounds.js";
import { Crew, type WorkerListener } from "../../relay/workers/crew.js";
import type { FromWorker, ToWorker } from "../../relay/workers/messages.js";
import type { Log } from "../../shared/runtime.js";
import { HandClock } from "../hosts/hand-clock.js";

const log: Log = { debug() {}, info() {}, warn() {}, error() {} };

class FakeWorker {
  readonly pid = 1;
  readonly told: ToWorker[] = [];
  killed = false;
  readonly index: number;
  readonly port: number | null;
  readonly #listener: WorkerListener;

  constructor(index: number, port: number | null, listener: WorkerListener) {
    this.index = index;
    this.port = port;
    this.#listener = listener;
  }

  tell(message: ToWorker): void {
    this.told.push(message);
  }

  kill(): void {
    this.killed = true;
    this.end();
  }

  say(message: FromWorker): void {
    this.#listener.said(message);
  }

  listen(): void {
    this.say({ type: "listening", url: "ws://here", http: "http://here", port: 5 });
  }

  end(): void {
    this.#listener.ended(1, null);
  }
}

let clock: HandClock;
let started: FakeWorker[];
let crew: Crew;

beforeEach(() => {
  clock = new HandClock();
  started = [];
});

function crewOf(count: number): Crew {
  return new Crew(count, {
    clock,
    log,
    fork: (index, port, listener) => {
      const worker = new FakeWorker(index, port, listener);
      started.push(worker);
      return worker;
    },
  });
}

async function begin(count: number): Promise<void> {
  crew = crewOf(count);
  const begun = crew.begin();
  for (const worker of started) worker.listen();
  expect(await begun).toMatchObject({ url: "ws://here" });
}

const at = (index: number): FakeWorker =>
  started.findLast((worker) => worker.index === index) as FakeWorker;

/** Seconds, in each of which some say that they live. */
function live(seconds: number, ...indices: number[]): void {
  for (let second = 0; second < seconds; second++) {
    for (const index of indices) at(index).say({ type: "alive" });
    clock.pass(ALIVE_MS);
  }
}

/** Whether it has come to that yet. */
async function isDone(promise: Promise<unknown>): Promise<boolean> {
  const pending = {};
  return (await Promise.race([promise, Promise.resolve(pending)])) !== pending;
}

describe("a worker that stands still", () => {
  it("is killed and started again, and none that lives", async () => {
    await begin(3);
    live(SILENT_TICKS - 1, 0, 2);
    expect(started.some(({ killed }) => killed)).toBe(false);
    live(1, 0, 2);
    expect(started.filter(({ killed }) => killed).map(({ index }) => index)).toEqual([1]);
    live(2, 0, 2);
    expect(started.map(({ index }) => index)).toEqual([0, 1, 2, 1]);
    expect(at(1).port).toBe(5);
  });

  it("is killed also where it never said a word, or stops, so that the relay ends", async () => {
    await begin(2);
    at(1).end();
    live(1, 0);
    const mute = at(1);
    live(START_TICKS - 2, 0);
    expect(mute.killed).toBe(false);
    live(2, 0);
    expect(mute).toMatchObject({ index: 1, killed: true });
    live(1, 0);
    const stopped = crew.stop();
    at(0).say({ type: "stopped" });
    live(START_TICKS, 0);
    expect(started.at(-1)).toMatchObject({ index: 1, killed: true });
    at(0).end();
    await stopped;
  });

  it("is not what whoever counts takes itself for: hours asleep are one tick", async () => {
    await begin(2);
    clock.pass(10 * 3_600_000);
    live(SILENT_TICKS, 0, 1);
    expect(started.some(({ killed }) => killed)).toBe(false);
  });
});

describe("a worker that ends again and again", () => {
  it("is started ever later, and in the end the relay says what is wrong", async () => {
    await begin(2);
    let waitedMs = 0;
    for (let failure = 1; failure < MAX_FAILURES; failure++) {
      const before = started.length;
      at(1).say({ type: "failed", reason: "The folder is damaged." });
      at(1).end();
      expect(await isDone(crew.failed)).toBe(false);
      for (; started.length === before; waitedMs += 50) {
        clock.pass(50);
        at(0).say({ type: "alive" });
      }
    }
    expect(waitedMs).toBeGreaterThan(2 * MAX_RESTART_MS);
    const all = started.length;
    at(1).say({ type: "failed", reason: "The folder is damaged." });
    at(1).end();
    expect(await crew.failed).toBe(
      `Worker 1 has ended ${MAX_FAILURES} times in a row soon after its start. The folder is damaged.`,
    );
    live(2 * SILENT_TICKS, 0);
    expect(started).toHaveLength(all);
  });

  it("is started at once where it ran for long between", async () => {
    await begin(2);
    for (let accident = 0; accident < 2 * MAX_FAILURES; accident++) {
      const before = started.length;
      live(SETTLED_MS / ALIVE_MS + 1, 0, 1);
      at(1).end();
      clock.pass(100);
      expect(started).toHaveLength(before + 1);
    }
    expect(await isDone(crew.failed)).toBe(false);
  });
});

it("is told to stop also where it has only begun, once it listens", async () => {
  await begin(1);
  at(0).end();
  clock.pass(100);
  const stopped = crew.stop();
  expect(at(0).told).toEqual([]);
  at(0).say({ type: "alive" });
  expect(at(0).told).toEqual([{ type: "stop" }]);
  at(0).end();
  await stopped;
});

describe("a relay that drains", () => {
  const drain: ToWorker = { type: "drain", withinMs: 500 };

  it("tells all, and is drained when the last of them is", async () => {
    await begin(2);
    at(0).say({ type: "drain", withinMs: 500 });
    expect([at(0).told, at(1).told]).toEqual([[drain], [drain]]);
    at(0).say({ type: "drained" });
    expect(await isDone(crew.drained)).toBe(false);
    at(1).say({ type: "drained" });
    await crew.drained;
  });

  it("tells whoever starts meanwhile before anything else, and waits for what it still has", async () => {
    await begin(3);
    at(0).say({ type: "drain", withinMs: 500 });
    at(1).say({ type: "drained" });
    at(1).end();
    clock.pass(100);
    expect(at(1).told).toEqual([]);
    at(1).say({ type: "alive" });
    expect(at(1).told).toEqual([{ type: "drain", withinMs: 0 }]);
    at(0).say({ type: "drained" });
    at(2).say({ type: "drained" });
    expect(await isDone(crew.drained)).toBe(false);
    at(1).say({ type: "drained" });
    await crew.drained;
  });

  it("waits for none that is not there: it has no clients", async () => {
    await begin(2);
    at(1).end();
    at(0).say({ type: "drain", withinMs: 500 });
    at(0).say({ type: "drained" });
    await crew.drained;
  });
});

it("ends a start that one of them cannot make, with what that one says", async () => {
  const error = crewOf(2)
    .begin()
    .catch((reason: Error) => reason.message);
  at(1).say({ type: "failed", reason: "The port is in use already." });
  at(1).end();
  expect(await error).toBe("The port is in use already.");
});
