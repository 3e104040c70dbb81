import { open, readdir, unlink } from "node:fs/promises";
import { join } from "node:path";
import { Level } from "level";
import { DovetailError } from "../errors.js";
import type { Range, Row, Snapshot, SnapshotKeyValue, Write } from "../key-value.js";

/** Room that LevelDB may need at once when it opens: it writes the old log (4 MiB) as a table. */
const PROBE_BYTES = 8 * 1024 * 1024;

/** The codes and messages of an error and of all that caused it. */
function chain(thrown: unknown): string {
  const parts: string[] = [];
  for (let at = thrown; at instanceof Error; at = at.cause) {
    parts.push(String((at as NodeJS.ErrnoException).code ?? ""), at.message);
  }
  return parts.join(" ");
}

function translate(thrown: unknown, folder: string): DovetailError {
  if (thrown instanceof DovetailError) return thrown;
  const what = chain(thrown);
  const detail = { cause: thrown };
  if (/LEVEL_LOCKED/.test(what)) {
    return new DovetailError("profile_in_use", `${folder} is in use by another process.`, detail);
  }
  if (/ENOSPC|EDQUOT|no space left|quota exceeded/i.test(what)) {
    return new DovetailError("disk_full", `The disk that holds ${folder} is full.`, detail);
  }
  // A file that LevelDB itself wrote is missing, or ends too early.
  const missing = /LEVEL_IO_ERROR.*(No such file|\.(ldb|sst): Invalid argument)/i.test(what);
  if (missing || /LEVEL_CORRUPTION|corrupt/i.test(what)) {
    return new DovetailError("profile_corrupt", `The database in ${folder} is damaged.`, detail);
  }
  return new DovetailError("storage_failed", `${folder} cannot be read or written.`, detail);
}

type Database = Level<string, Uint8Array>;

/**
 * Whether the file is gone without which LevelDB takes a folder for a new one: it would delete the
 * tables and logs in it. They are first written when that file is there.
 */
async function isHeadless(folder: string): Promise<boolean> {
  const names = await readdir(folder).catch((): string[] => []);
  return !names.includes("CURRENT") && names.some((name) => /\.(ldb|sst|log)$/.test(name));
}

async function openDatabase(folder: string): Promise<Database> {
  if (await isHeadless(folder)) {
    throw new DovetailError("profile_corrupt", `${folder} has data but no CURRENT file.`);
  }
  const database: Database = new Level(folder, { keyEncoding: "utf8", valueEncoding: "view" });
  await database.open();
  return database;
}

/**
 * After a failed write LevelDB either refuses all further ones or appends them behind a torn record,
 * which makes it skip them when it next reads its log (google/leveldb#1180). So after a failure
 * nothing is written until the database was opened anew, which replaces the log.
 */
class LevelKeyValue implements SnapshotKeyValue {
  readonly #folder: string;
  #database: Database;
  /** Keys of batches that failed since the database was opened; it is suspect while there are any. */
  readonly #failedKeys = new Set<string>();
  #undo: readonly Write[] | null = null;
  #closed = false;
  #reopening: Promise<void> | null = null;
  readonly #running = new Set<Promise<unknown>>();

  constructor(folder: string, database: Database) {
    this.#folder = folder;
    this.#database = database;
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    const value = await this.#run((database) => database.get(key));
    return value && plain(value);
  }

  async range(range: Range): Promise<readonly { key: string; value: Uint8Array }[]> {
    const rows = await this.#run((database) =>
      database
        .iterator({
          gte: range.from,
          lt: range.to,
          reverse: range.reverse ?? false,
          limit: range.limit ?? -1,
        })
        .all(),
    );
    return rows.map(([key, value]) => ({ key, value: plain(value) }));
  }

  async batch(writes: readonly Write[], durable = true): Promise<void> {
    if (this.#failedKeys.size > 0) await this.#reopen();
    try {
      await this.#run((database) => database.batch([...writes], { sync: durable }));
    } catch (error) {
      for (const { key } of writes) this.#failedKeys.add(key);
      throw error;
    }
  }

  async snapshot(): Promise<Snapshot> {
    const folder = this.#folder;
    const database = await this.#run(async (current) => current);
    const snapshot = database.snapshot();
    return {
      async *rows(after = ""): AsyncIterable<Row> {
        try {
          for await (const [key, value] of database.iterator({ gt: after, snapshot })) {
            yield { key, value: plain(value) };
          }
        } catch (error) {
          // Also after a failed write, which opens the database anew.
          const isClosed = database.status !== "open";
          throw isClosed
            ? new DovetailError("closed", `${folder} was closed while it was read.`)
            : translate(error, folder);
        }
      },
      close: () => snapshot.close(),
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#reopening?.catch(() => {});
    await this.#database.close();
  }

  async #run<T>(operation: (database: Database) => Promise<T>): Promise<T> {
    if (this.#closed) throw new DovetailError("closed", "The database is closed.");
    await this.#reopening?.catch(() => {});
    const running = operation(this.#database);
    this.#running.add(running);
    try {
      return await running;
    } catch (error) {
      throw translate(error, this.#folder);
    } finally {
      this.#running.delete(running);
    }
  }

  #reopen(): Promise<void> {
    this.#reopening ??= this.#tryReopen()
      .catch((error) => {
        throw translate(error, this.#folder);
      })
      .finally(() => {
        this.#reopening = null;
      });
    return this.#reopening;
  }

  async #tryReopen(): Promise<void> {
    // While there is no room the old handle stays open, because it still answers reads.
    await probe(this.#folder);
    await Promise.allSettled(this.#running);
    if (this.#database.status === "open") {
      // Once: a handle that was opened since may see what failed.
      this.#undo ??= await undoOf(this.#database, [...this.#failedKeys]);
      await this.#database.close();
    }
    this.#database = await openDatabase(this.#folder);
    // A batch whose sync failed may have reached the log after all, and its writer goes on from what
    // it read before: that is made true again.
    await this.#database.batch([...(this.#undo ?? [])], { sync: true });
    this.#undo = null;
    this.#failedKeys.clear();
  }
}

/** Writes that put the keys back to what they are now. */
async function undoOf(database: Database, keys: readonly string[]): Promise<readonly Write[]> {
  const values = await database.getMany([...keys]);
  return keys.map((key, i) => {
    const value = values[i];
    return value ? { type: "put", key, value } : { type: "del", key };
  });
}

/** LevelDB gives Buffers, whose `slice` means something else than that of a Uint8Array. */
const plain = (buffer: Uint8Array): Uint8Array =>
  new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);

/** Fails as the disk fails: full, over quota, read-only or broken. */
async function probe(folder: string): Promise<void> {
  // LevelDB leaves files alone whose names it does not know; its lock makes the folder ours.
  const path = join(folder, "probe.tmp");
  const file = await open(path, "w");
  try {
    await file.writeFile(new Uint8Array(PROBE_BYTES));
    await file.sync();
  } finally {
    await file.close();
    await unlink(path);
  }
}

/**
 * A LevelDB in a folder of its own, which is made where it is missing.
 * @throws DovetailError `profile_in_use`, `profile_corrupt`, `disk_full` or `storage_failed`.
 */
export async function openLevel(folder: string): Promise<SnapshotKeyValue> {
  try {
    return new LevelKeyValue(folder, await openDatabase(folder));
  } catch (error) {
    throw translate(error, folder);
  }
}
