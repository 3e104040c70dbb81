/**
 * The folders of a relay of workers: each is open in the node whose seat it is, and the others ask that
 * one. While it is away they wait for a while; what it was asked and did not answer it is asked again.
 */
import type { RelayStore } from "../../relay/core/ports.js";
import {
  type DirectoryFolder,
  directoryMethods,
  type Folder,
  folderMethods,
  openDirectory,
  openFolder,
} from "../../relay/store/sharded/folder.js";
import { FOLDERS, folderOf } from "../../relay/store/sharded/folders.js";
import type { Note } from "../../relay/store/sharded/inbox-shard.js";
import {
  byFolder,
  type Folders,
  notesIn,
  ShardedRelayStore,
} from "../../relay/store/sharded/sharded-store.js";
import { foldersOf, seatOf } from "../../relay/workers/seats.js";
import { DovetailError } from "../../shared/errors.js";
import type { ConversationId } from "../../shared/ids.js";
import type { KeyValue } from "../../shared/key-value.js";
import type { Life } from "./network.js";
import type { Prng, VirtualTime } from "./virtual-time.js";

/** As relay/workers/bounds.ts has it. */
const PATIENCE_MS = 8_000;
const AGAIN_MS = 25;

type Methods = Readonly<Record<string, readonly string[]>>;
type Tables = Readonly<Record<string, Readonly<Record<string, (...args: unknown[]) => unknown>>>>;

interface Host {
  readonly life: Life;
  readonly folders: ReadonlyMap<number, Promise<Folder>>;
  /** Resolves when it is no more. */
  readonly death: Promise<null>;
  die(): void;
}

/** Rows that stand side by side under one prefix, and where in the key it says of which conversation. */
const MIXED: Readonly<Record<string, number>> = { conversation: 1, pending: 1, expiry: 2 };

/**
 * One folder's rows in a store that has those of all, under the keys that they have anywhere; so the
 * checker finds them without knowing of folders.
 */
function viewOf(kv: KeyValue, folder: number): KeyValue {
  const there = (key: string): string =>
    key.startsWith("meta/") ? `meta-${folder}/${key.slice("meta/".length)}` : key;
  return {
    get: (key) => kv.get(there(key)),
    async range(range) {
      const [kind = ""] = range.from.split("/");
      const part = MIXED[kind];
      if (part === undefined) return kv.range(range);
      const { limit, ...all } = range;
      const found = await kv.range(all);
      return found
        .filter(({ key }) => folderOf(key.split("/")[part] as ConversationId) === folder)
        .slice(0, limit);
    },
    batch: (writes, durable) =>
      kv.batch(
        writes.map((write) => ({ ...write, key: there(write.key) })),
        durable,
      ),
    close: async () => {},
  };
}

/** To a process that was killed nothing answers any more. One for each, or it held all that wait for it. */
const never = () => new Promise<never>(() => {});
const during = (kv: KeyValue, life: Life, writing: Set<Promise<void>>): KeyValue => {
  const alive = async <T>(ask: () => Promise<T>): Promise<T> => {
    if (!life.alive) return never();
    const answer = await ask();
    return life.alive ? answer : never();
  };
  return {
    get: (key) => alive(() => kv.get(key)),
    range: (range) => alive(() => kv.range(range)),
    batch: (writes, durable) =>
      alive(async () => {
        const written = kv.batch(writes, durable);
        writing.add(written);
        await written.finally(() => writing.delete(written));
      }),
    close: async () => {},
  };
};

export class FolderHosts {
  readonly #kv: KeyValue;
  readonly #count: number;
  readonly #time: VirtualTime;
  readonly #random: Prng;
  readonly #hosts: (Host | null)[];
  readonly #directory: DirectoryFolder;
  /** Of each folder, what was begun and may still come to the disk. */
  readonly #writing = Array.from({ length: FOLDERS }, () => new Set<Promise<void>>());

  constructor(kv: KeyValue, count: number, parts: { time: VirtualTime; random: Prng }) {
    this.#kv = kv;
    this.#count = count;
    this.#time = parts.time;
    this.#random = parts.random;
    this.#hosts = Array.from({ length: count }, () => null);
    this.#directory = openDirectory(kv);
  }

  /** The store as the node at that seat has it, from now until its life ends. */
  begin(seat: number, life: Life): RelayStore {
    const own = foldersOf({ index: seat, count: this.#count });
    const everywhere = Array.from({ length: FOLDERS }, (_, index) =>
      this.#proxy<Folder>(seat, life, folderMethods, (host) => host.folders.get(index), index),
    );
    const directory = this.#proxy<DirectoryFolder>(
      seat,
      life,
      directoryMethods,
      async () => this.#directory,
      0,
    );
    const all: Folders = { own, folder: (index) => everywhere[index] as Folder, directory };
    const open = async (index: number) => {
      const writing = this.#writing[index] as Set<Promise<void>>;
      // The system gives a folder to the next process once the last one is no more.
      await Promise.allSettled(writing);
      return openFolder(during(viewOf(this.#kv, index), life, writing), async (notes) => {
        const failed = new Map<Note, unknown>();
        await Promise.all(
          byFolder(notes).map(async ([to, some]) => {
            try {
              await all.folder(to).inboxes.note(some);
            } catch (error) {
              for (const note of notesIn(notes, (folder) => folder === to)) failed.set(note, error);
            }
          }),
        );
        return failed;
      });
    };
    const folders = new Map(own.map((index) => [index, open(index)]));
    let die = (): void => {};
    const death = new Promise<null>((resolve) => {
      die = () => resolve(null);
    });
    this.#hosts[seat] = { life, folders, death, die };
    for (const folder of folders.values()) {
      void folder.then(({ logs }) => logs.tellAllLeft()).catch(() => undefined);
    }
    return new ShardedRelayStore(all);
  }

  end(seat: number): void {
    this.#hosts[seat]?.die();
    this.#hosts[seat] = null;
  }

  #proxy<T>(
    seat: number,
    life: Life,
    methods: Methods,
    tablesAt: (host: Host) => Promise<unknown> | undefined,
    folder: number,
  ): T {
    const home = seatOf(folder, this.#count);
    const call = async (table: string, name: string, args: unknown[]): Promise<unknown> => {
      const until = this.#time.now + PATIENCE_MS;
      for (;;) {
        if (!life.alive) return never();
        const host = this.#hosts[home];
        if (host?.life.alive) {
          if (home !== seat) await this.#wait(this.#random.between(0, 4));
          const asked = async () => {
            const tables = (await tablesAt(host)) as Tables;
            return tables[table]?.[name]?.(...args);
          };
          const answer = await Promise.race([this.#outcome(asked()), host.death]);
          if (home !== seat) await this.#wait(this.#random.between(0, 4));
          if (!life.alive) return never();
          if (answer && host.life.alive) return answer();
        }
        if (this.#time.now > until) throw new DovetailError("overloaded");
        await this.#wait(AGAIN_MS);
      }
    };
    const tables = Object.entries(methods).map(([table, names]) => [
      table,
      Object.fromEntries(
        names.map((name) => [name, (...args: unknown[]) => call(table, name, args)]),
      ),
    ]);
    return Object.fromEntries(tables);
  }

  async #outcome(asked: unknown): Promise<() => unknown> {
    try {
      const value = await asked;
      return () => value;
    } catch (error) {
      return () => {
        throw error;
      };
    }
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#time.after(ms, resolve));
  }
}
