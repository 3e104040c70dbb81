import type { Clock, Timer } from "../../shared/runtime.js";
import { ALIVE_MS, SILENT_TICKS, START_TICKS } from "./bounds.js";

/**
 * Finds workers that stand still. Silence is counted in ticks and not by a clock: while the whole
 * machine was asleep, or whoever counts, nobody could say anything.
 */
export class Watchdog {
  readonly #clock: Clock;
  readonly #hung: (index: number) => void;
  /** Ticks that are left to each. */
  readonly #left = new Map<number, number>();
  #ticking: Timer;

  constructor(clock: Clock, hung: (index: number) => void) {
    this.#clock = clock;
    this.#hung = hung;
    this.#ticking = this.#tickLater();
  }

  started(index: number): void {
    this.#left.set(index, START_TICKS);
  }

  heard(index: number): void {
    this.#left.set(index, SILENT_TICKS);
  }

  forget(index: number): void {
    this.#left.delete(index);
  }

  stop(): void {
    this.#ticking.cancel();
  }

  #tickLater(): Timer {
    return this.#clock.after(ALIVE_MS, () => {
      this.#ticking = this.#tickLater();
      for (const [index, left] of this.#left) {
        if (left > 1) this.#left.set(index, left - 1);
        else {
          this.#left.delete(index);
          this.#hung(index);
        }
      }
    });
  }
}
