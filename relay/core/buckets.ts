import type { Clock } from "../../shared/runtime.js";
import { MAX_BUCKETS } from "./bounds.js";
import { Lru } from "./lru.js";

interface Bucket {
  tokens: number;
  /** When it held so many, on the steady clock. */
  at: number;
}

/** A token bucket for each of many keys, full at first. */
export class Buckets {
  readonly #clock: Clock;
  readonly #perMs: number;
  readonly #size: number;
  readonly #most: number;
  readonly #buckets = new Lru<string, Bucket>(MAX_BUCKETS);

  /** `size`: tokens that one holds; `perMs`: how many it gains in a millisecond; `most`: as many as `owe` lets it owe. */
  constructor(clock: Clock, size: number, perMs: number, most = 0) {
    this.#clock = clock;
    this.#size = size;
    this.#perMs = perMs;
    this.#most = most;
  }

  /**
   * Takes so many tokens where they are there, or where the bucket is full, which owes the rest then: 0, or
   * the milliseconds until it may be asked again.
   */
  take(key: string, wanted = 1): number {
    const bucket = this.#of(key);
    const waitMs = this.#until(bucket, Math.min(wanted, this.#size));
    if (waitMs === 0) bucket.tokens -= wanted;
    return waitMs;
  }

  /** Takes them for what is done already, there or not: 0, or the milliseconds until nothing is owed. */
  owe(key: string, spent = 1): number {
    const bucket = this.#of(key);
    bucket.tokens = Math.max(-this.#most, bucket.tokens - spent);
    return this.#until(bucket, 0);
  }

  #of(key: string): Bucket {
    const now = this.#clock.monotonic();
    const known = this.#buckets.get(key);
    if (!known) {
      const bucket = { tokens: this.#size, at: now };
      this.#buckets.set(key, bucket);
      return bucket;
    }
    known.tokens = Math.min(this.#size, known.tokens + (now - known.at) * this.#perMs);
    known.at = now;
    return known;
  }

  /** At least one millisecond, so that no rounding says that there are enough where there are not. */
  #until({ tokens }: Bucket, wanted: number): number {
    return tokens >= wanted ? 0 : Math.max(1, Math.ceil((wanted - tokens) / this.#perMs));
  }
}
