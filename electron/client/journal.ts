import type { KeyValue, Write } from "../../shared/key-value.js";

/** A change of the profile: what to write, and what to do once it is written. */
export interface Change<T> {
  readonly writes: readonly Write[];
  /**
   * Whether to wait for the disk (default). Without, a power loss may take the change back: only for
   * what can be learned again.
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

  constructor(store: KeyValue) {
    this.#store = store;
  }

  /** @throws whatever the step or the store throws; later changes are not affected. */
  run<T>(step: () => Change<T> | Promise<Change<T>>): Promise<T> {
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

  /** Resolves when all changes so far are done. */
  async idle(): Promise<void> {
    await this.#last;
  }
}
