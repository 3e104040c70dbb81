/**
 * Virtual time and the world's one event queue. Both cores are pure: all that they await comes from
 * a port, and every port answers from this queue. So when an event has run and the promise jobs it
 * set off are done, nothing moves until the next event.
 */
import type { Clock, Random, Timer } from "../../shared/runtime.js";

/** SplitMix32: small, fast, and the same on every machine. */
export class Prng implements Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  #word(): number {
    this.#state = (this.#state + 0x9e3779b9) | 0;
    let word = this.#state;
    word = Math.imul(word ^ (word >>> 16), 0x21f0aaad);
    word = Math.imul(word ^ (word >>> 15), 0x735a2d97);
    return (word ^ (word >>> 15)) >>> 0;
  }

  fraction(): number {
    return this.#word() / 0x1_0000_0000;
  }

  bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.#word() & 0xff);
  }

  /** A whole number from `least` to `most`. */
  between(least: number, most: number): number {
    return least + Math.floor(this.fraction() * (most - least + 1));
  }

  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.between(0, items.length - 1)] as T;
  }
}

interface Event {
  readonly at: number;
  /** Events of one moment happen in the order in which they were planned. */
  readonly order: number;
  run: (() => void) | null;
}

const before = (a: Event, b: Event): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);

/**
 * Waits until no promise job is left. Asked for from a promise job, as here always, Node runs a tick
 * only when there is none, and without a turn of its event loop, which would cost a fifth of all time.
 */
const drained = (): Promise<void> => new Promise((resolve) => process.nextTick(resolve));
/** Now and then the loop does turn: signals and other threads' messages come by it. */
const turned = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const EVENTS_PER_TURN = 1_000;

export class VirtualTime {
  #now = 0;
  #planned = 0;
  /** A binary heap, the earliest first. */
  readonly #heap: Event[] = [];
  events = 0;

  get now(): number {
    return this.#now;
  }

  after(delayMs: number, run: () => void): Timer {
    const event: Event = { at: this.#now + Math.max(0, delayMs), order: this.#planned++, run };
    this.#push(event);
    return {
      cancel: () => {
        event.run = null;
      },
    };
  }

  /** Runs everything up to that moment, and stops there. */
  async runUntil(end: number): Promise<void> {
    await null;
    await drained();
    for (let next = this.#heap[0]; next && next.at <= end; next = this.#heap[0]) {
      this.#pop();
      if (!next.run) continue;
      this.#now = next.at;
      this.events++;
      next.run();
      await (this.events % EVENTS_PER_TURN === 0 ? turned() : drained());
    }
    this.#now = Math.max(this.#now, end);
  }

  #push(event: Event): void {
    let at = this.#heap.push(event) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(event, this.#heap[parent] as Event)) break;
      this.#heap[at] = this.#heap[parent] as Event;
      at = parent;
    }
    this.#heap[at] = event;
  }

  #pop(): void {
    const last = this.#heap.pop() as Event;
    const length = this.#heap.length;
    if (length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= length) break;
      if (child + 1 < length && before(this.#heap[child + 1] as Event, this.#heap[child] as Event))
        child++;
      if (!before(this.#heap[child] as Event, last)) break;
      this.#heap[at] = this.#heap[child] as Event;
      at = child;
    }
    this.#heap[at] = last;
  }
}

/** 2026-01-01, so that times look like some in traces. */
const EPOCH = 1_767_225_600_000;

/** One machine's clock: wrong by `skewMs`, which may change at any time. It outlives its processes. */
export class MachineClock {
  skewMs: number;
  readonly #time: VirtualTime;

  constructor(time: VirtualTime, skewMs: number) {
    this.#time = time;
    this.skewMs = skewMs;
  }

  /** What a process sees of it: its timers end with the process. */
  during(life: { readonly alive: boolean }): Clock {
    return {
      now: () => EPOCH + Math.floor(this.#time.now) + this.skewMs,
      monotonic: () => this.#time.now,
      after: (delayMs, callback) =>
        this.#time.after(delayMs, () => {
          if (life.alive) callback();
        }),
    };
  }
}
