import { randomUUID } from "node:crypto";
import type { ConversationId } from "../../../shared/ids.js";
import { SEGMENT_ENTRIES } from "./bounds.js";
import type { Database } from "./database.js";
import type { Row, Statement } from "./statement.js";
import { contended, tries } from "./tries.js";

/** Names of state rows are before this; the rows from it on are found only where they were written. */
const STATE_END = "z";

/** The partition in which a log stands now. */
export interface Segment {
  /** The first seq that it can hold. */
  readonly base: number;
  readonly head: number;
  readonly first: number;
  /** Grows with each change, also from segment to segment. */
  readonly version: number;
  readonly pending: Uint8Array | null;
}

/** What one conditional batch does to a segment. */
export interface SegmentWrite {
  readonly head: number;
  readonly first: number;
  readonly pending: Uint8Array;
  readonly rows: readonly Cell[];
}

/** An entry, without a name; or a part of the state, at seq 0. */
export interface Cell {
  readonly seq: number;
  readonly name: string;
  readonly value: Uint8Array;
}

const isFull = ({ base, head }: Segment): boolean => head - base + 1 >= SEGMENT_ENTRIES;

/**
 * The partitions of logs. A segment that is full is never written again but for what its entries lose
 * with time, so that any relay can carry its state over into the next one, as often as it likes.
 */
export class Segments {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** The newest one, as a serial read has it; null where there is no such conversation. */
  async newest(id: ConversationId): Promise<Segment | null> {
    const query = "SELECT base FROM segment WHERE conversation = ? LIMIT 2";
    const bases = (await this.#database.all(query, [id])).map((row) => Number(row.base));
    // The newest may be announced and not be there yet.
    for (const base of [...bases, 1]) {
      const segment = await this.#at(id, base);
      if (segment) return segment;
    }
    return null;
  }

  async #at(id: ConversationId, base: number): Promise<(Segment & { attempt: string }) | null> {
    const row = await this.#database.one(
      `SELECT head, first, version, attempt, pending FROM log
        WHERE conversation = ? AND base = ? LIMIT 1`,
      [id, base],
      true,
    );
    if (!row || row.version === null) return null;
    return {
      base,
      head: Number(row.head),
      first: Number(row.first),
      version: Number(row.version),
      attempt: row.attempt as string,
      pending: row.pending as Uint8Array | null,
    };
  }

  /** Null where somebody else wrote first. `before` is null for a conversation that is to be made. */
  async write(
    id: ConversationId,
    before: Segment | null,
    write: SegmentWrite,
  ): Promise<Segment | null> {
    const { head, first, pending, rows } = write;
    const segment = await this.#writable(id, before);
    if (before && !segment) return null;
    const { base, version } = segment ?? { base: 1, version: 0 };
    const attempt = randomUUID();
    const after = { base, head, first, version: version + 1, pending };
    const statements = [
      guard(id, after, attempt, version),
      ...rows.map(({ seq, name, value }) => insert(id, base, seq, name, value)),
    ];
    return (await this.#settled(id, base, version, attempt, statements)) ? after : null;
  }

  /** Changes entries where they stand, `edit` made anew from what is there whenever somebody was first. */
  async edit(
    id: ConversationId,
    base: number,
    edit: () => Promise<readonly Cell[]>,
  ): Promise<void> {
    for await (const _ of tries()) {
      const segment = await this.#at(id, base);
      if (!segment) return;
      const edits = await edit();
      if (edits.length === 0) return;
      const attempt = randomUUID();
      const statements = [
        {
          query: `UPDATE log SET version = ?, attempt = ? WHERE conversation = ? AND base = ?
            IF version = ?`,
          params: [segment.version + 1, attempt, id, base, segment.version],
        },
        ...edits.map(({ seq, name, value }) => insert(id, base, seq, name, value)),
      ];
      if (await this.#settled(id, base, segment.version, attempt, statements)) return;
    }
    throw contended("The log is written by too many at once.");
  }

  /** The base of the segment that holds that place, if any does. */
  async baseAt(id: ConversationId, seq: number): Promise<number> {
    const query = "SELECT base FROM segment WHERE conversation = ? AND base <= ? LIMIT 1";
    return Number((await this.#database.one(query, [id, seq]))?.base ?? 1);
  }

  /** The bases of the segments that may hold places from that seq on, oldest first. */
  async basesFrom(id: ConversationId, seq: number): Promise<readonly number[]> {
    const [base, later] = await Promise.all([
      this.baseAt(id, seq),
      this.#database.all(
        "SELECT base FROM segment WHERE conversation = ? AND base > ? ORDER BY base ASC",
        [id, seq],
      ),
    ]);
    return [base, ...later.map((row) => Number(row.base))];
  }

  /** All of them, oldest first. The first one is not announced. */
  async bases(id: ConversationId): Promise<readonly number[]> {
    const query = "SELECT base FROM segment WHERE conversation = ? ORDER BY base ASC";
    const announced = (await this.#database.all(query, [id])).map((row) => Number(row.base));
    return announced[0] === 1 ? announced : [1, ...announced];
  }

  /** One row of the state, or those with a prefix. */
  async row(id: ConversationId, base: number, name: string): Promise<Uint8Array | null> {
    const row = await this.#database.one(
      "SELECT value FROM log WHERE conversation = ? AND base = ? AND seq = 0 AND name = ?",
      [id, base, name],
    );
    return row ? (row.value as Uint8Array) : null;
  }

  /** In the order of their names, each with what the segment was when it was read. */
  rowsBetween(id: ConversationId, base: number, from: string, to: string): Promise<readonly Row[]> {
    return this.#database.all(
      `SELECT name, value, head, first, version FROM log
        WHERE conversation = ? AND base = ? AND seq = 0 AND name >= ? AND name < ?`,
      [id, base, from, to],
    );
  }

  state(id: ConversationId, base: number): Promise<readonly Row[]> {
    return this.rowsBetween(id, base, "", STATE_END);
  }

  /** The segment itself, or the one that follows it where it is full. */
  async #writable(id: ConversationId, segment: Segment | null): Promise<Segment | null> {
    if (!segment || !isFull(segment)) return segment;
    const next = { ...segment, base: segment.head + 1, version: segment.version + 1 };
    // Announced first: a segment that is there and not announced would never be found.
    await this.#database.write([
      { query: "INSERT INTO segment (conversation, base) VALUES (?, ?)", params: [id, next.base] },
    ]);
    // What was overwritten with nothing is not carried on.
    const state = (await this.state(id, segment.base)).filter(({ value }) => value.length > 0);
    const attempt = randomUUID();
    const statements = [
      guard(id, { ...next, pending: segment.pending ?? new Uint8Array() }, attempt, 0),
      ...state.map((row) => insert(id, next.base, 0, row.name as string, row.value as Uint8Array)),
    ];
    return (await this.#settled(id, next.base, 0, attempt, statements)) ? next : null;
  }

  /** @throws DovetailError `overloaded` where nobody can tell any more whether it was written. */
  async #settled(
    id: ConversationId,
    base: number,
    version: number,
    attempt: string,
    statements: readonly Statement[],
  ): Promise<boolean> {
    const outcome = await this.#database.cas(statements);
    if (outcome !== "unknown") return outcome.applied;
    // A serial read completes what was under way, or keeps it from ever being completed.
    const now = await this.#at(id, base);
    if (now?.attempt === attempt) return true;
    if ((now?.version ?? 0) <= version) return false;
    throw contended("Whether the log was written cannot be told.");
  }
}

export const insert = (
  id: ConversationId,
  base: number,
  seq: number,
  name: string,
  value: Uint8Array,
): Statement => ({
  query: "INSERT INTO log (conversation, base, seq, name, value) VALUES (?, ?, ?, ?, ?)",
  params: [id, base, seq, name, value],
});

/** The statement whose condition all others hang on. */
const guard = (
  id: ConversationId,
  after: Segment & { readonly pending: Uint8Array },
  attempt: string,
  version: number,
): Statement => ({
  query: `UPDATE log SET head = ?, first = ?, version = ?, attempt = ?, pending = ?
    WHERE conversation = ? AND base = ? IF version = ${version > 0 ? "?" : "null"}`,
  params: [
    after.head,
    after.first,
    after.version,
    attempt,
    after.pending,
    id,
    after.base,
    ...(version > 0 ? [version] : []),
  ],
});
