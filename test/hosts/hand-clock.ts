import type { Clock, Timer } from "../../shared/runtime.js";

/** Time that passes when the test says so. */
export class HandClock implements Clock {
  #waiting: { readonly at: number; readonly callback: () => void }[] = [];
  #now = 0;

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#now;
  }

  after(delayMs: number, callback: () => void): Timer {
    const timer = { at: this.#now + delayMs, callback };
    this.#waiting.push(timer);
    return { cancel: () => this.#remove(timer) };
  }

  pass(ms: number): void {
    this.#now += ms;
    for (const timer of this.#waiting.filter(({ at }) => at <= this.#now)) {
      this.#remove(timer);
      timer.callback();
    }
  }

  #remove(timer: object): void {
    this.#waiting = this.#waiting.filter((each) => each !== timer);
  }
}
