/** What goes wrong while people talk: every kind of fault that this machine can make, from a seed. */
import { setMaxListeners } from "node:events";
import { Prng } from "../../sim/virtual-time.js";
import type { Affliction } from "./afflictions.js";
import { pause } from "./pause.js";

/** Kinds that strike rarely, because all stand still meanwhile; 1 for all others. */
const WEIGHT: Readonly<Record<string, number>> = { "relay paused": 0.5, "last write torn": 0.7 };

interface Tell {
  note(line: string): void;
  violate(what: string): void;
}

export class Nemesis {
  /** How often each kind struck. */
  readonly struck = new Map<string, number>();
  readonly skipped: readonly Affliction[];
  readonly #kinds: readonly Affliction[];
  readonly #everyMs: number;
  readonly #tell: Tell;
  readonly #running = new Map<Promise<void>, string>();
  readonly #over = new AbortController();
  #rhythm: Promise<void> = Promise.resolve();

  /** Strikes every `everyMs` on an average. */
  constructor(kinds: readonly Affliction[], everyMs: number, tell: Tell) {
    this.#kinds = kinds.filter(({ missing }) => missing === null);
    this.skipped = kinds.filter(({ missing }) => missing !== null);
    this.#everyMs = everyMs;
    this.#tell = tell;
  }

  get faults(): number {
    return [...this.struck.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Kinds that have struck and are not undone yet. */
  get pending(): readonly string[] {
    return [...this.#running.values()];
  }

  begin(random: Prng): void {
    // As many faults may be waiting as there are machines and kinds.
    setMaxListeners(0, this.#over.signal);
    this.#rhythm = this.#strikeAgainAndAgain(random);
  }

  /** Undoes everything; resolves when all is healed. */
  async end(): Promise<void> {
    this.#over.abort();
    await this.#rhythm;
    await Promise.all(this.#running.keys());
  }

  async #strikeAgainAndAgain(random: Prng): Promise<void> {
    while (!this.#over.signal.aborted) {
      await this.#wait(random.between(0, 2 * this.#everyMs));
      const affliction = random.pick(this.#kinds);
      const own = new Prng(random.between(1, 2 ** 31));
      if (this.#over.signal.aborted || !own.chance(WEIGHT[affliction.kind] ?? 1)) continue;
      const strike = this.#strike(affliction, own).finally(() => this.#running.delete(strike));
      this.#running.set(strike, affliction.kind);
    }
  }

  async #strike({ kind, strike }: Affliction, random: Prng): Promise<void> {
    const wait = (leastMs: number, mostMs: number) => this.#wait(random.between(leastMs, mostMs));
    try {
      const done = await strike(random, wait);
      if (done === null) return;
      this.struck.set(kind, (this.struck.get(kind) ?? 0) + 1);
      this.#tell.note(done);
    } catch (error) {
      this.#tell.violate(`${kind}: ${error instanceof Error ? error.stack : error}`);
    }
  }

  #wait(ms: number): Promise<void> {
    return pause(ms, this.#over.signal);
  }
}
