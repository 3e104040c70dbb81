import { DovetailError } from "../../shared/errors.js";
import type { Clock, Log, Timer } from "../../shared/runtime.js";
import { RECOVERY_MS } from "./bounds.js";
import type { LogStore } from "./ports.js";

/** Knows whether the store can be written, and finds out by itself when it can again. */
export class WriteHealth {
  readonly #store: LogStore;
  readonly #clock: Clock;
  readonly #log: Log;
  #failing = false;
  #retry: Timer | null = null;
  #stopped = false;

  constructor(store: LogStore, clock: Clock, log: Log) {
    this.#store = store;
    this.#clock = clock;
    this.#log = log;
  }

  get ok(): boolean {
    return !this.#failing;
  }

  /**
   * @throws DovetailError `storage_failed` when the write fails, and at once while writes do; `overloaded`
   * where others kept it away, of which the store is not to blame.
   */
  async write<T>(operation: () => Promise<T>): Promise<T> {
    if (this.#failing) throw refusal();
    try {
      return await operation();
    } catch (error) {
      if (DovetailError.from(error).code === "overloaded") throw error;
      if (!this.#failing) {
        this.#failing = true;
        this.#log.error("store.failed", { error });
        this.#tryLater();
      }
      throw refusal(error);
    }
  }

  stop(): void {
    this.#stopped = true;
    this.#retry?.cancel();
  }

  #tryLater(): void {
    if (!this.#stopped) this.#retry = this.#clock.after(RECOVERY_MS, () => void this.#try());
  }

  async #try(): Promise<void> {
    try {
      await this.#store.checkWritable();
      this.#failing = false;
      this.#log.info("store.recovered");
    } catch (error) {
      this.#log.warn("store.still-failing", { error });
      this.#tryLater();
    }
  }
}

/** What a client is told of a write that failed. */
export const refusal = (cause?: unknown): DovetailError =>
  new DovetailError("storage_failed", undefined, { retryAfterMs: RECOVERY_MS, cause });
