import type { SnapshotKeyValue } from "../../shared/key-value.js";

/**
 * Holds the writes of several stores for a moment. What the stores are then is what a loss of power at
 * that moment would leave of them, from which a relay goes on anyway.
 */
export class Barrier {
  readonly #running = new Set<Promise<unknown>>();
  #held: Promise<void> | null = null;
  #release: () => void = () => {};

  get isHeld(): boolean {
    return this.#held !== null;
  }

  /** The same store, whose writes wait while they are held. */
  guard(kv: SnapshotKeyValue): SnapshotKeyValue {
    return {
      get: (key) => kv.get(key),
      range: (range) => kv.range(range),
      snapshot: () => kv.snapshot(),
      close: () => kv.close(),
      batch: async (writes, durable) => {
        while (this.#held) await this.#held;
        const running = kv.batch(writes, durable);
        this.#running.add(running);
        try {
          await running;
        } finally {
          this.#running.delete(running);
        }
      },
    };
  }

  /** Resolves when the writes under way have ended. New ones wait for `release`. */
  async hold(): Promise<void> {
    this.#held ??= new Promise((resolve) => {
      this.#release = resolve;
    });
    await Promise.allSettled(this.#running);
  }

  release(): void {
    this.#held = null;
    this.#release();
  }
}
