/** Beyond this a relay is not slow but absent, and what waits for it should not wait on. */
const LONGEST_MS = 5_000;

/**
 * Follows how long the relay takes to append. What everybody has already can wait for its place: a slow
 * relay then gets fewer appends with more in each, and is not asked by everybody for the same.
 */
export class Pace {
  #lastMs = 0;

  /** An append took so many milliseconds to be answered, or to be given up. */
  took(ms: number): void {
    this.#lastMs = ms;
  }

  /** A wait of so many milliseconds, or a longer one where the relay takes longer. */
  stretched(ms: number): number {
    return Math.max(ms, Math.min(2 * this.#lastMs, LONGEST_MS));
  }
}
