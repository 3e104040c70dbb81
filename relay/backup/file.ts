/**
 * A backup as bytes: a magic word; records, each with its length before it (big-endian, 4 bytes) and a
 * byte that says what it is: the header, rows, the trailer; at the end the SHA-256 of all before it.
 */
import { createHash } from "node:crypto";
import { z } from "zod";
import { DovetailError } from "../../shared/errors.js";
import type { Row, Snapshot } from "../../shared/key-value.js";
import { MAX_RECORD_BYTES, PAGE_BYTES } from "./bounds.js";

const MAGIC = Buffer.from("dovetail backup\n", "latin1");
const FORMAT = 1;
const HASH_BYTES = 32;
const LENGTH_BYTES = 4;
const Kind = { header: 0, row: 1, trailer: 2 } as const;
/** Of a row before its key: kind, store, and the key's length. */
const ROW_HEAD_BYTES = 4;

const count = z.number().int().nonnegative();
const headerSchema = z.object({
  /** Of the tables; see `SCHEMA_VERSION`. */
  schema: count,
  /** What clients sign as the relay's name. */
  relay: z.string().min(1).max(256),
  /** Milliseconds since 1970. */
  at: count,
  /** In the order in which the rows name them. */
  stores: z
    .array(z.string().regex(/^[a-z0-9]{1,32}$/))
    .min(1)
    .max(255),
});
const trailerSchema = z.object({ rows: z.array(count) });

export type BackupHeader = z.output<typeof headerSchema>;

export interface NamedSnapshot extends Snapshot {
  /** Of the store; `a` to `z` and `0` to `9`. */
  readonly name: string;
}

export interface StoredRow extends Row {
  readonly store: string;
}

/** The bytes of a backup, read from the snapshots as they are asked for. */
export async function* backupBytes(
  header: Omit<BackupHeader, "stores">,
  snapshots: readonly NamedSnapshot[],
): AsyncGenerator<Buffer> {
  const hash = createHash("sha256");
  const hashed = (parts: readonly Uint8Array[]): Buffer => {
    const bytes = Buffer.concat(parts);
    hash.update(bytes);
    return bytes;
  };
  const stores = snapshots.map(({ name }) => name);
  const preamble = { format: FORMAT, ...header, stores };
  yield hashed([MAGIC, ...record(Kind.header, json(preamble))]);
  const rows: number[] = [];
  for (const [index, snapshot] of snapshots.entries()) {
    let parts: Uint8Array[] = [];
    let bytes = 0;
    let written = 0;
    for await (const { key, value } of snapshot.rows()) {
      const head = Buffer.alloc(ROW_HEAD_BYTES - 1);
      const name = Buffer.from(key, "utf8");
      head.writeUInt8(index, 0);
      head.writeUInt16BE(name.length, 1);
      parts.push(...record(Kind.row, head, name, value));
      written += 1;
      bytes += name.length + value.length;
      if (bytes < PAGE_BYTES) continue;
      yield hashed(parts);
      parts = [];
      bytes = 0;
    }
    yield hashed(parts);
    rows.push(written);
  }
  yield hashed(record(Kind.trailer, json({ rows })));
  yield hash.digest();
}

function record(kind: number, ...parts: readonly Uint8Array[]): readonly Uint8Array[] {
  const length = parts.reduce((sum, part) => sum + part.length, 1);
  if (length > MAX_RECORD_BYTES) throw new DovetailError("internal", "A row is too large.");
  const head = Buffer.alloc(LENGTH_BYTES + 1);
  head.writeUInt32BE(length, 0);
  head.writeUInt8(kind, LENGTH_BYTES);
  return [head, ...parts];
}

const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value), "utf8");

export interface BackupReader {
  readonly header: BackupHeader;
  /**
   * To be read to the end: only then it is known that nothing was altered.
   * @throws DovetailError `profile_corrupt` where something was, or is missing.
   */
  readonly rows: AsyncIterable<StoredRow>;
}

/**
 * Reads a backup as it was written.
 * @throws DovetailError `profile_corrupt` where it is none, `profile_newer` where a newer relay made it.
 */
export async function readBackup(bytes: AsyncIterable<Uint8Array>): Promise<BackupReader> {
  const source = new Source(bytes);
  if (!(await source.take(MAGIC.length)).equals(MAGIC)) throw damaged("is no backup");
  const first = await source.record();
  if (first[0] !== Kind.header) throw damaged("has no header");
  const { format, ...wanted } = parsed(first, z.looseObject({ format: count }));
  if (format > FORMAT) {
    throw new DovetailError(
      "profile_newer",
      `The backup was written by a newer relay (format ${format}; this one knows ${FORMAT}).`,
    );
  }
  const header = headerSchema.safeParse(wanted);
  if (!header.success) throw damaged("has a header that cannot be read");
  return { header: header.data, rows: rowsOf(source, header.data) };
}

async function* rowsOf(source: Source, { stores }: BackupHeader): AsyncGenerator<StoredRow> {
  const rows = stores.map(() => 0);
  for (;;) {
    const body = await source.record();
    if (body[0] === Kind.trailer) {
      const told = parsed(body, trailerSchema).rows;
      const hash = source.digest();
      if (!(await source.take(HASH_BYTES)).equals(hash)) throw damaged("was altered");
      if (told.join() !== rows.join()) throw damaged("has not all of its rows");
      await source.end();
      return;
    }
    const index = body[1] ?? stores.length;
    const store = stores[index];
    if (body[0] !== Kind.row || body.length < ROW_HEAD_BYTES || store === undefined) {
      throw damaged("has a record that cannot be read");
    }
    const end = ROW_HEAD_BYTES + body.readUInt16BE(2);
    if (end > body.length) throw damaged("has a record that cannot be read");
    rows[index] = (rows[index] ?? 0) + 1;
    yield {
      store,
      key: body.toString("utf8", ROW_HEAD_BYTES, end),
      value: new Uint8Array(body.subarray(end)),
    };
  }
}

function parsed<T>(body: Buffer, schema: z.ZodType<T>): T {
  try {
    return schema.parse(JSON.parse(body.toString("utf8", 1)));
  } catch {
    throw damaged("has a record that cannot be read");
  }
}

const damaged = (what: string): DovetailError =>
  new DovetailError("profile_corrupt", `The backup ${what}; nothing was taken from it.`);

/** Chunks of any size, as pieces of the sizes that are asked for, and the hash of what was taken. */
class Source {
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #hash = createHash("sha256");
  #left = Buffer.alloc(0);

  constructor(bytes: AsyncIterable<Uint8Array>) {
    this.#chunks = bytes[Symbol.asyncIterator]();
  }

  async take(length: number): Promise<Buffer> {
    const parts: Buffer[] = [this.#left];
    let there = this.#left.length;
    while (there < length) {
      const { value, done } = await this.#chunks.next();
      if (done) throw damaged("ends too early");
      parts.push(Buffer.from(value.buffer, value.byteOffset, value.byteLength));
      there += value.length;
    }
    const all = parts.length === 1 ? this.#left : Buffer.concat(parts);
    const taken = all.subarray(0, length);
    this.#left = all.subarray(length);
    this.#hash.update(taken);
    return taken;
  }

  async record(): Promise<Buffer> {
    const length = (await this.take(LENGTH_BYTES)).readUInt32BE(0);
    if (length < 1 || length > MAX_RECORD_BYTES) throw damaged("has a record that cannot be read");
    return this.take(length);
  }

  /** Of everything that was taken until now. */
  digest(): Buffer {
    return this.#hash.copy().digest();
  }

  async end(): Promise<void> {
    const { done } = await this.#chunks.next();
    if (!done || this.#left.length > 0) throw damaged("goes on after its end");
  }
}
