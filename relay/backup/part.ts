/** The stores of one process, of which snapshots are taken together with those of the others. */
import { DovetailError } from "../../shared/errors.js";
import type { Row, SnapshotKeyValue } from "../../shared/key-value.js";
import type { Clock, Timer } from "../../shared/runtime.js";
import type { Barrier } from "./barrier.js";
import { IDLE_MS, MAX_HOLD_MS, PAGE_BYTES } from "./bounds.js";
import type { NamedSnapshot } from "./file.js";

export interface NamedStore {
  /** In backups; never to be changed. */
  readonly name: string;
  readonly kv: SnapshotKeyValue;
}

/** Here or in another process. Each may be asked twice. */
export interface SnapshotPart {
  /** Holds writes, for a few seconds at the most; the writes under way have ended when it resolves. */
  hold(): Promise<void>;
  /** Gives the stores' names. Fails where writes are not held any more. */
  take(): Promise<readonly string[]>;
  release(): Promise<void>;
  /** Some rows of one store after that key; none at its end. */
  page(name: string, after: string): Promise<readonly Row[]>;
  /** Ends the snapshots. */
  drop(): Promise<void>;
}

export const partMethods = ["hold", "take", "release", "page", "drop"] as const;

export class LocalPart implements SnapshotPart {
  readonly #stores: readonly NamedStore[];
  readonly #barrier: Barrier;
  readonly #clock: Clock;
  #taken: readonly NamedSnapshot[] = [];
  #holding: Timer | null = null;
  #idle: Timer | null = null;

  constructor(stores: readonly NamedStore[], barrier: Barrier, clock: Clock) {
    this.#stores = stores;
    this.#barrier = barrier;
    this.#clock = clock;
  }

  async hold(): Promise<void> {
    this.#holding?.cancel();
    // Whoever asked may be gone: clients do not wait for that.
    this.#holding = this.#clock.after(MAX_HOLD_MS, () => this.#barrier.release());
    await this.#barrier.hold();
  }

  async take(): Promise<readonly string[]> {
    await this.drop();
    this.#used();
    this.#taken = await Promise.all(
      this.#stores.map(async ({ name, kv }) => ({ name, ...(await kv.snapshot()) })),
    );
    if (!this.#barrier.isHeld) {
      await this.drop();
      throw new DovetailError("overloaded", "The snapshots were not taken in time; try it again.");
    }
    return this.#taken.map(({ name }) => name);
  }

  async release(): Promise<void> {
    this.#holding?.cancel();
    this.#barrier.release();
  }

  async page(name: string, after: string): Promise<readonly Row[]> {
    const snapshot = this.#taken.find((each) => each.name === name);
    if (!snapshot) throw new DovetailError("closed", "The snapshot is not there any more.");
    this.#used();
    const rows: Row[] = [];
    let bytes = 0;
    for await (const row of snapshot.rows(after)) {
      rows.push(row);
      bytes += row.key.length + row.value.length;
      if (bytes >= PAGE_BYTES) break;
    }
    return rows;
  }

  async drop(): Promise<void> {
    this.#idle?.cancel();
    const taken = this.#taken;
    this.#taken = [];
    await Promise.all(taken.map((snapshot) => snapshot.close()));
  }

  #used(): void {
    this.#idle?.cancel();
    this.#idle = this.#clock.after(IDLE_MS, () => void this.drop());
  }
}

/** Snapshots of all stores, of one moment. Closing one of them closes all. */
export async function snapshotsOf(parts: readonly SnapshotPart[]): Promise<NamedSnapshot[]> {
  try {
    await Promise.all(parts.map((part) => part.hold()));
    // Not before all are held, and each sees to it that its own still are.
    const names = await Promise.all(parts.map((part) => part.take()));
    return parts.flatMap((part, i) =>
      (names[i] ?? []).map((name) => ({
        name,
        rows: (after = "") => rowsFrom(part, name, after),
        close: () => part.drop(),
      })),
    );
  } catch (error) {
    await Promise.allSettled(parts.map((part) => part.drop()));
    throw error;
  } finally {
    await Promise.allSettled(parts.map((part) => part.release()));
  }
}

async function* rowsFrom(part: SnapshotPart, name: string, after: string): AsyncGenerator<Row> {
  for (let last = after; ; ) {
    const page = await part.page(name, last);
    yield* page;
    const end = page.at(-1);
    if (!end) return;
    last = end.key;
  }
}
