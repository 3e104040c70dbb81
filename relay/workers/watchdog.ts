import type { Clock, Timer } from "../../shared/runtime.js";
import { ALIVE_MS, SILENT_TICKS } from "./bounds.js";

/**
 * Finds workers that stand still. Silence is counted in ticks and not by a clock: while the whole
 * machine was asleep, or whoever counts, nobody could say anything.
 */
export class Watchdog {
  readonly #clock: Clock;
  readonly #hung: (index: number) => void;
  /** Ticks since each was last heard. */
  readonly #silent = new Map<number, number>();
  #ticking: Timer;

  constructor(clock: Clock, hung: (index: number) => void) {
    this.#clock = clock;
    this.#hung = hung;
    this.#ticking = this.#tickLater();
  }

  /** Also of one that was just started: it has as long to say its first word. */
  heard(index: number): void {
    this.#silent.set(index, 0);
  }

  forget(index: number): void {
    this.#silent.delete(index);
  }

  stop(): void {
    this.#ticking.cancel();
  }

  #tickLater(): Timer {
    return this.#clock.after(ALIVE_MS, () => {
      this.#ticking = this.#tickLater();
      for (const [index, before] of this.#silent) {
        const ticks = before + 1;
        if (ticks < SILENT_TICKS) this.#silent.set(index, ticks);
        else {
          this.#silent.delete(index);
          this.#hung(index);
        }
      }
    });
  }
}
