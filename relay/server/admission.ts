/**
 * How fast a process takes new connections. When a relay comes back, all of its clients want in at once;
 * taken as they come, their handshakes would take so long that they gave up and came again. So some are
 * taken each second, and the others are told a time at which it will be their turn.
 */
import type { Clock, Timer } from "../../shared/runtime.js";
import {
  ADMISSION_BURST,
  ADMISSION_FALL,
  ADMISSION_LOOK_MS,
  ADMISSION_RISE,
  LATE_MS,
  LEAST_ADMITTED,
  MAX_TURN_MS,
} from "./bounds.js";

export class Admission {
  readonly #clock: Clock;
  readonly #most: number;
  /** Connections a second, as far as the process keeps up with them. */
  #rate: number;
  #tokens: number;
  #countedAt: number;
  /** When it is the turn of whoever was last told to wait. */
  #lastTurn = 0;
  #lookedAt: number;
  #timer: Timer;

  /** `most`: connections a second. */
  constructor(clock: Clock, most: number) {
    this.#clock = clock;
    this.#most = most;
    this.#rate = most;
    this.#tokens = this.#burst;
    this.#countedAt = clock.monotonic();
    this.#lookedAt = this.#countedAt;
    this.#timer = this.#lookLater();
  }

  /** How many may come at once. */
  get #burst(): number {
    return Math.max(1, this.#rate * ADMISSION_BURST);
  }

  /** Takes one more: 0, or the milliseconds after which it is its turn. */
  take(): number {
    const now = this.#clock.monotonic();
    const gained = ((now - this.#countedAt) * this.#rate) / 1_000;
    this.#tokens = Math.min(this.#burst, this.#tokens + gained);
    this.#countedAt = now;
    if (this.#tokens >= 1) {
      this.#tokens--;
      return 0;
    }
    this.#lastTurn = Math.max(now, this.#lastTurn) + 1_000 / this.#rate;
    return Math.min(MAX_TURN_MS, Math.ceil(this.#lastTurn - now));
  }

  stop(): void {
    this.#timer.cancel();
  }

  #lookLater(): Timer {
    return this.#clock.after(ADMISSION_LOOK_MS, () => {
      const now = this.#clock.monotonic();
      const late = now - this.#lookedAt - ADMISSION_LOOK_MS;
      this.#lookedAt = now;
      const rate = this.#rate * (late > LATE_MS ? ADMISSION_FALL : ADMISSION_RISE);
      this.#rate = Math.max(Math.min(LEAST_ADMITTED, this.#most), Math.min(this.#most, rate));
      this.#timer = this.#lookLater();
    });
  }
}
