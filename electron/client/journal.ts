import { DovetailError } from "../../shared/errors.js";
import type { KeyValue, Write } from "../../shared/key-value.js";
import { keys } from "./rows.js";

const NOTHING = new Uint8Array();

/** A change of the profile: what to write, and what to do once it is written. */
export interface Change<T> {
  readonly writes: readonly Write[];
  /**
   * Whether to wait for the disk (default). Without, a power loss may take the change back, together
   * with all later ones: only for what can be learned again, and what has to be on disk before it is
   * acknowledged to somebody calls {@link Journal.flush} in between.
   */
  readonly durable?: boolean;
  /** Changes memory and tells the user interface. Runs only after the writes succeeded. */
  apply(): T;
}

/**
 * Runs changes strictly one after the other. Each sees what those before it left, in memory and in
 * the store, and memory never holds what the store refused: so a crash or a full disk between any
 * two of them leaves a whole state.
 */
export class Journal {
  readonly #store: KeyValue;
  #last: Promise<unknown> = Promise.resolve();
  #runningFlush: Promise<void> = Promise.resolve();
  /** Asked for, not begun. */
  #nextFlush: Promise<void> | null = null;
  #closed = false;

  constructor(store: KeyValue) {
    this.#store = store;
  }

  /** @throws whatever the step or the store throws; later changes are not affected. `closed` after the end. */
  run<T>(step: () => Change<T> | Promise<Change<T>>): Promise<T> {
    if (this.#closed) return Promise.reject(new DovetailError("closed"));
    const result = this.#last.then(async () => {
      const change = await step();
      if (change.writes.length > 0) {
        await this.#store.batch(change.writes, change.durable ?? true);
      }
      return change.apply();
    });
    this.#last = result.catch(() => undefined);
    return result;
  }

  /**
   * Resolves when all that was applied so far is on disk: the store keeps its writes in order, so one
   * durable write carries those before it. Whoever asks while one is running shares the next.
   */
  flush(): Promise<void> {
    if (this.#closed) return Promise.reject(new DovetailError("closed"));
    this.#nextFlush ??= this.#runningFlush.then(() => {
      this.#nextFlush = null;
      const flush = this.#store.batch([{ type: "put", key: keys.flushed, value: NOTHING }]);
      this.#runningFlush = flush.catch(() => undefined);
      return flush;
    });
    return this.#nextFlush;
  }

  /** Takes no more; resolves when all that was asked for is done, so that the store may be closed. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#last;
    await this.#nextFlush?.catch(() => undefined);
    await this.#runningFlush;
  }
}
