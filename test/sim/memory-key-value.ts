/**
 * A disk that loses power, and the ordered store on it. A write is at first only in the machine's
 * memory, as LevelDB's without `sync`; a durable one puts itself and all before it on the platter.
 */
import { DovetailError } from "../../shared/errors.js";
import type { KeyValue, Range, Write } from "../../shared/key-value.js";

/** When an answer of the disk comes. `after` calls back from the world's event queue. */
export interface DiskTiming {
  after(delayMs: number, callback: () => void): void;
  readMs(): number;
  writeMs(): number;
}

/** Keys are ASCII (shared/key-value.ts), so the order of strings is that of their UTF-8 bytes. */
class Rows {
  readonly #values: Map<string, Uint8Array>;
  readonly #keys: string[];

  constructor(values = new Map<string, Uint8Array>(), keys: string[] = []) {
    this.#values = values;
    this.#keys = keys;
  }

  get(key: string): Uint8Array | undefined {
    // Not copied: whoever changes what was read changes the disk, and the checker sees it.
    return this.#values.get(key);
  }

  apply(writes: readonly Write[]): void {
    for (const write of writes) {
      const known = this.#values.has(write.key);
      if (write.type === "put") {
        if (!known) this.#keys.splice(this.#place(write.key), 0, write.key);
        this.#values.set(write.key, write.value);
      } else if (known) {
        this.#keys.splice(this.#place(write.key), 1);
        this.#values.delete(write.key);
      }
    }
  }

  range({ from, to, reverse, limit }: Range) {
    const start = this.#place(from);
    const end = Math.max(start, this.#place(to));
    const count = Math.min(limit ?? end - start, end - start);
    const keys = reverse
      ? this.#keys.slice(end - count, end).reverse()
      : this.#keys.slice(start, start + count);
    return keys.map((key) => ({ key, value: this.get(key) as Uint8Array }));
  }

  copy(): Rows {
    return new Rows(new Map(this.#values), this.#keys.slice());
  }

  has(key: string): boolean {
    return this.#values.has(key);
  }

  /** Where the first key that is not less stands. */
  #place(key: string): number {
    let low = 0;
    let high = this.#keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#keys[middle] as string) < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

interface Pending {
  readonly writes: readonly Write[];
  readonly durable: boolean;
  readonly done: (error?: DovetailError) => void;
}

/** What outlives a process. At most one store is open on it, as with LevelDB's lock. */
export class MemoryDisk {
  /** While set, no write is taken. */
  full = false;
  /** While set, writes fail at their very end: a crash may leave what was never acknowledged. */
  unsure = false;
  readonly #timing: DiskTiming | null;
  /** What a loss of power leaves for certain. */
  #platter = new Rows();
  /** What readers see. */
  #memory = new Rows();
  #unsynced: (readonly Write[])[] = [];
  /** The batch that failed last, until the next write undoes it. */
  #limbo: readonly Write[] | null = null;
  #queue: Pending[] = [];
  #busy = false;
  #open: symbol | null = null;

  /** Without a timing every answer is given at once: in the next microtask. */
  constructor(timing: DiskTiming | null = null) {
    this.#timing = timing;
  }

  open(): KeyValue {
    if (this.#open) throw new DovetailError("profile_in_use");
    const handle = Symbol();
    this.#open = handle;
    const whileOpen = <T>(ms: () => number, give: () => T): Promise<T> =>
      new Promise((resolve) => {
        const answer = () => {
          // To a killed process nothing answers any more.
          if (this.#open === handle) resolve(give());
        };
        if (this.#timing) this.#timing.after(ms(), answer);
        else answer();
      });
    const readMs = () => this.#timing?.readMs() ?? 0;
    return {
      get: (key) => whileOpen(readMs, () => this.#memory.get(key)),
      range: (range) => whileOpen(readMs, () => this.#memory.range(range)),
      batch: (writes, durable = true) =>
        new Promise((resolve, reject) => {
          if (this.#open !== handle) return;
          const owned = writes.map((write) =>
            write.type === "put" ? { ...write, value: write.value.slice() } : write,
          );
          const done = (error?: DovetailError) => (error ? reject(error) : resolve());
          this.#queue.push({ writes: owned, durable, done });
          this.#work();
        }),
      close: () =>
        whileOpen(readMs, () => {
          this.#open = null;
        }),
    };
  }

  /**
   * The power goes, or the process is killed. Of the batches that were not yet on the platter the
   * first few survive, as many as `keep` says of how many; each is whole or gone.
   */
  crash(keep: (batches: number) => number = () => 0): void {
    const queued = this.#queue.map(({ writes }) => writes);
    const limbo = this.#limbo ? [this.#limbo] : [];
    const uncertain = [...this.#unsynced, ...limbo, ...queued];
    const kept = uncertain.slice(0, keep(uncertain.length));
    // What was written after the one that failed was written after its undoing.
    const undone = kept.includes(queued[0] ?? []) ? this.#limbo : null;
    for (const writes of kept) if (writes !== undone) this.#platter.apply(writes);
    this.#memory = this.#platter.copy();
    this.#unsynced = [];
    this.#limbo = null;
    this.#queue = [];
    this.#busy = false;
    this.#open = null;
  }

  /** Rows that nobody finds any more. Called while nobody has the disk open. */
  lose(keys: readonly string[]): void {
    const writes = keys.map((key): Write => ({ type: "del", key }));
    this.#platter.apply(writes);
    this.#memory.apply(writes);
  }

  /** A copy of what is certain now. Called while nobody has the disk open, it makes it so again. */
  backUp(): () => void {
    const backup = this.#platter.copy();
    return () => {
      this.#platter = backup.copy();
      this.#memory = backup.copy();
    };
  }

  /** Rows as a reader of the platter alone would find them: what is certain at this moment. */
  certain(range: Range): readonly { readonly key: string; readonly value: Uint8Array }[] {
    return this.#platter.range(range);
  }

  isCertain(key: string): boolean {
    return this.#platter.has(key);
  }

  /** Rows as the process that has it open finds them, whether or not they would survive. */
  present(range: Range): readonly { readonly key: string; readonly value: Uint8Array }[] {
    return this.#memory.range(range);
  }

  /** One batch after another, as LevelDB's single log file takes them. */
  #work(): void {
    const next = this.#queue[0];
    if (this.#busy || !next) return;
    this.#busy = true;
    const finish = () => {
      if (this.#queue[0] !== next) return;
      this.#queue.shift();
      this.#busy = false;
      next.done(this.#take(next));
      this.#work();
    };
    if (this.#timing) this.#timing.after(this.#timing.writeMs(), finish);
    else finish();
  }

  #take({ writes, durable }: Pending): DovetailError | undefined {
    if (this.full) return new DovetailError("disk_full");
    this.#limbo = this.unsure ? writes : null;
    if (this.unsure) return new DovetailError("storage_failed");
    this.#apply(writes, durable);
    return undefined;
  }

  #apply(writes: readonly Write[], durable: boolean): void {
    this.#memory.apply(writes);
    this.#unsynced.push(writes);
    if (!durable) return;
    for (const batch of this.#unsynced) this.#platter.apply(batch);
    this.#unsynced = [];
  }
}
