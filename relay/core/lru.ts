import type { Clock } from "../../shared/runtime.js";

interface Kept<V> {
  readonly value: V;
  readonly until: number;
}

/** For how many milliseconds something is kept at the most. */
export interface Lifetime {
  readonly clock: Clock;
  readonly ms: number;
}

/** A map that forgets what was longest not asked for, and what has been there for too long. */
export class Lru<K, V> {
  readonly #max: number;
  readonly #lifetime: Lifetime | null;
  readonly #map = new Map<K, Kept<V>>();

  /** Without `lifetime` nothing gets too old. */
  constructor(max: number, lifetime: Lifetime | null = null) {
    this.#max = max;
    this.#lifetime = lifetime;
  }

  get(key: K): V | undefined {
    const kept = this.#map.get(key);
    if (!kept) return undefined;
    this.#map.delete(key);
    if (this.#lifetime && this.#lifetime.clock.monotonic() >= kept.until) return undefined;
    // A Map keeps insertion order, so the first key is always the oldest.
    this.#map.set(key, kept);
    return kept.value;
  }

  values(): V[] {
    return [...this.#map.values()].map(({ value }) => value);
  }

  set(key: K, value: V): void {
    this.#map.delete(key);
    const until = this.#lifetime ? this.#lifetime.clock.monotonic() + this.#lifetime.ms : 0;
    this.#map.set(key, { value, until });
    if (this.#map.size > this.#max) {
      const [oldest] = this.#map.keys();
      this.#map.delete(oldest as K);
    }
  }

  delete(key: K): void {
    this.#map.delete(key);
  }

  clear(): void {
    this.#map.clear();
  }
}
