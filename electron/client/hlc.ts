import { fromSortable, sortable } from "../../shared/key-value.js";
import type { Clock } from "../../shared/runtime.js";

/**
 * A hybrid logical clock (Kulkarni et al., 2014): close to wall time, yet every entry stands after
 * all that its device had seen when it was written.
 */
export interface ClockReading {
  /** Milliseconds since 1970. */
  readonly wall: number;
  /** Orders readings of the same millisecond; 0 to 65,535. */
  readonly counter: number;
}

export const MAX_COUNTER = 0xffff;

/**
 * A reading further ahead than this is not followed: one device with a broken clock must not drag
 * everybody's into the future. Its entries stand where they say until the log places them.
 */
const MAX_AHEAD_MS = 10 * 60_000;

const WALL_DIGITS = sortable(0).length;
const COUNTER_DIGITS = 4;

/** As text that compares as the readings do. */
export const clockText = (reading: ClockReading): string =>
  `${sortable(reading.wall)}${reading.counter.toString(32).padStart(COUNTER_DIGITS, "0")}`;

/** The reading that a text begins with which {@link clockText} made. */
export const readClock = (text: string): ClockReading => ({
  wall: fromSortable(text.slice(0, WALL_DIGITS)),
  counter: Number.parseInt(text.slice(WALL_DIGITS, WALL_DIGITS + COUNTER_DIGITS), 32),
});

export class HybridClock {
  readonly #clock: Clock;
  #last: ClockReading = { wall: 0, counter: 0 };

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A reading after all that were given or seen before. */
  next(): ClockReading {
    const now = this.#clock.now();
    this.#last = now > this.#last.wall ? { wall: now, counter: 0 } : this.#successor();
    return this.#last;
  }

  /** Another device's reading. */
  see(reading: ClockReading): void {
    if (reading.wall <= this.#clock.now() + MAX_AHEAD_MS) this.resume(reading);
  }

  /**
   * A reading that this device gave before it was restarted. However far its clock was set back
   * meanwhile, what it writes next stands after what it wrote.
   */
  resume(reading: ClockReading): void {
    const { wall, counter } = this.#last;
    if (reading.wall > wall || (reading.wall === wall && reading.counter > counter)) {
      this.#last = reading;
    }
  }

  #successor(): ClockReading {
    const { wall, counter } = this.#last;
    return counter < MAX_COUNTER ? { wall, counter: counter + 1 } : { wall: wall + 1, counter: 0 };
  }
}
