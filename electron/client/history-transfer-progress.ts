/** How far the transfers of history are, told a few times a second. */
import type { Transfer } from "../../shared/client-api.js";
import type { DeviceId } from "../../shared/ids.js";
import type { Timer } from "../../shared/runtime.js";
import type { Core } from "./core.js";

/** How often progress is told. */
const TELL_MS = 250;
/** Over how long the rate is measured, and what a new measure counts beside those before it. */
const RATE_MS = 1_000;
const RATE_WEIGHT = 0.3;

interface Running {
  readonly direction: Transfer["direction"];
  readonly deviceId: DeviceId;
  readonly done: number;
  readonly total: number;
  /** Entries in a millisecond; null until one was measured. */
  readonly rate: number | null;
  /** Where the measure under way began. */
  readonly mark: { readonly at: number; readonly done: number };
}

const keyOf = (direction: Transfer["direction"], deviceId: DeviceId) => `${direction}/${deviceId}`;

export class TransferProgress {
  readonly #core: Core;
  readonly #running = new Map<string, Running>();
  readonly #ends = new Map<string, Timer>();
  #telling: Timer | null = null;

  constructor(core: Core) {
    this.#core = core;
  }

  moved(direction: Transfer["direction"], deviceId: DeviceId, done: number, total: number): void {
    const key = keyOf(direction, deviceId);
    this.#ends.get(key)?.cancel();
    this.#ends.delete(key);
    const at = this.#core.ports.clock.monotonic();
    const known = this.#running.get(key) ?? { rate: null, mark: { at, done } };
    const counts = { direction, deviceId, done, total: Math.max(done, total) };
    const passed = at - known.mark.at;
    if (passed < RATE_MS) this.#running.set(key, { ...known, ...counts });
    else {
      const measured = (done - known.mark.done) / passed;
      const rate =
        known.rate === null ? measured : known.rate + RATE_WEIGHT * (measured - known.rate);
      this.#running.set(key, { ...counts, rate, mark: { at, done } });
    }
    this.#tellSoon();
  }

  /** Over, unless it goes on within that time. How far it came is told before. */
  ended(direction: Transfer["direction"], deviceId: DeviceId, afterMs: number): void {
    const key = keyOf(direction, deviceId);
    this.#ends.get(key)?.cancel();
    if (!this.#running.has(key)) return;
    const timer = this.#core.ports.clock.after(2 * TELL_MS + afterMs, () => {
      this.#ends.delete(key);
      this.#running.delete(key);
      this.#tellSoon();
    });
    this.#ends.set(key, timer);
  }

  runs(direction: Transfer["direction"]): boolean {
    return [...this.#running.values()].some((each) => each.direction === direction);
  }

  close(): void {
    this.#telling?.cancel();
    for (const timer of this.#ends.values()) timer.cancel();
  }

  #tellSoon(): void {
    this.#telling ??= this.#core.ports.clock.after(TELL_MS, () => {
      this.#telling = null;
      const transfers = [...this.#running.values()].map((each) => this.#shown(each));
      this.#core.events.emit("transfer.changed", { transfers });
    });
  }

  #shown({ direction, deviceId, done, total, rate, mark }: Running): Transfer {
    const passed = this.#core.ports.clock.monotonic() - mark.at;
    const now = rate ?? (passed > 0 ? (done - mark.done) / passed : 0);
    const remainingMs = now > 0 ? Math.round((total - done) / now) : null;
    return { direction, deviceId, done, total, remainingMs };
  }
}
