import { beforeEach, describe, expect, it } from "vitest";
import { Admission } from "../../relay/server/admission.js";
import type { Clock, Timer } from "../../shared/runtime.js";

/** Its timers are as late as the process was busy. */
class BusyClock implements Clock {
  #now = 0;
  #due: { at: number; callback: () => void }[] = [];

  now = (): number => this.#now;
  monotonic = (): number => this.#now;

  after(delayMs: number, callback: () => void): Timer {
    const timer = { at: this.#now + delayMs, callback };
    this.#due.push(timer);
    return {
      cancel: () => {
        this.#due = this.#due.filter((each) => each !== timer);
      },
    };
  }

  /** Nothing runs meanwhile. */
  busy(ms: number): void {
    this.#now += ms;
    const ready = this.#due.filter(({ at }) => at <= this.#now);
    this.#due = this.#due.filter(({ at }) => at > this.#now);
    for (const { callback } of ready) callback();
  }

  idle(ms: number): void {
    for (let passed = 0; passed < ms; passed += 10) this.busy(10);
  }

  get timers(): number {
    return this.#due.length;
  }
}

let clock: BusyClock;
beforeEach(() => {
  clock = new BusyClock();
});

/** How many are taken at once, and after how many milliseconds those may come who are told to wait. */
function crowd(admission: Admission, people: number): { taken: number; waits: number[] } {
  const answers = Array.from({ length: people }, () => admission.take());
  const waits = answers.filter((ms) => ms > 0);
  return { taken: people - waits.length, waits };
}

describe("a crowd that comes at once", () => {
  it("is taken for a quarter of a second's worth, and the others get turns one after the other", () => {
    const { taken, waits } = crowd(new Admission(clock, 100), 225);
    expect(taken).toBe(25);
    expect(waits).toEqual(Array.from({ length: 200 }, (_, i) => 10 * (i + 1)));
  });

  it("is taken when its turn has come, each of it", () => {
    const admission = new Admission(clock, 100);
    const { waits } = crowd(admission, 225);
    for (const [i, at] of waits.entries()) {
      clock.idle(at - (waits[i - 1] ?? 0));
      expect(admission.take()).toBe(0);
    }
  });

  it("is never told to wait for longer than half a minute", () => {
    const { waits } = crowd(new Admission(clock, 1), 1_000);
    expect(Math.max(...waits)).toBe(30_000);
  });
});

describe("a process that does not keep up", () => {
  it("takes a fifth less after each time that it was late, and all again once it is not", () => {
    const admission = new Admission(clock, 1_000);
    crowd(admission, 1_000);
    for (let i = 0; i < 2; i++) clock.busy(600);
    expect(crowd(admission, 1_000).taken).toBe(160);
    clock.idle(5_000);
    expect(crowd(admission, 2_000).taken).toBe(250);
  });

  it("takes some however late it is", () => {
    const admission = new Admission(clock, 1_000);
    crowd(admission, 1_000);
    for (let i = 0; i < 20; i++) clock.busy(600);
    expect(crowd(admission, 1_000).taken).toBe(5);
  });
});

it("looks no more when it is over", () => {
  const admission = new Admission(clock, 1);
  admission.stop();
  expect(clock.timers).toBe(0);
});
