import type { ConversationId } from "../../../shared/ids.js";
import type { SequencedEntry } from "../../../shared/protocol.js";
import { endOf } from "../../core/lifetime.js";
import {
  DUE_PER_PAGE,
  DUE_PER_STEP,
  EXPIRY_KEPT_S,
  LAST_EXPIRY_S,
  LOOKS_PER_ERASED,
} from "./bounds.js";
import type { Database } from "./database.js";
import type { Row, Statement } from "./statement.js";

const HOUR_MS = 3_600_000;
const hourOf = (at: number): number => Math.floor(at / HOUR_MS);

export interface Due {
  readonly conversationId: ConversationId;
  readonly seq: number;
  readonly at: number;
}

/** How far an hour was gone through. */
interface Progress {
  /** Milliseconds since 1970 up to which all that was due is done. */
  readonly upTo: number;
  /** Whether nothing more is planned in it. */
  readonly isLast: boolean;
}

/**
 * When entries end, in a partition per hour. Rows go by themselves long after they were needed, as
 * whole files, instead of being deleted one by one; what is deleted is the mark of an hour that is done,
 * so that nobody goes through it again.
 */
export class Expiries {
  readonly #database: Database;
  /** Of hours that are not done. What another relay has done of them is found erased. */
  readonly #progress = new Map<number, Progress>();

  constructor(database: Database) {
    this.#database = database;
  }

  /** Before the entries are in the log: one that is not, or is another, is passed over later. */
  async plan(id: ConversationId, entries: readonly SequencedEntry[]): Promise<void> {
    await this.#database.write(plans(id, entries));
  }

  /**
   * `erase` says of how many of these there was something to delete. At most `limit` of them, and no more
   * looks than some times as many.
   */
  async erase(
    now: number,
    limit: number,
    erase: (due: readonly Due[]) => Promise<number>,
  ): Promise<number> {
    const hours = await this.#database.all(
      "SELECT hour FROM expiry_hour WHERE partition = 0 AND hour <= ?",
      [hourOf(now)],
    );
    const marked = hours.map((row) => Number(row.hour));
    for (const hour of this.#progress.keys()) {
      if (!marked.includes(hour)) this.#progress.delete(hour);
    }
    let erased = 0;
    let looks = 0;
    for (const hour of marked) {
      // An entry with a short life may be planned a little after its hour, so it is gone through once more.
      const isLast = hour < hourOf(now) - 1;
      const known = this.#progress.get(hour);
      let upTo = known && known.isLast === isLast ? known.upTo : -1;
      for (;;) {
        const due = await this.#page(hour, upTo, now);
        for (let done = 0; done < due.length; ) {
          const step = due.slice(done, done + Math.min(DUE_PER_STEP, limit - erased));
          erased += await erase(step);
          looks += step.length;
          done += step.length;
          // Of what is due in the same millisecond some may be left.
          upTo = done < due.length ? (due[done] as Due).at - 1 : (due[done - 1] as Due).at;
          this.#progress.set(hour, { upTo, isLast });
          if (erased >= limit) return erased;
        }
        if (due.length === 0) break;
        if (looks >= limit * LOOKS_PER_ERASED) return erased;
      }
      if (isLast) await this.#end(hour, now);
    }
    return erased;
  }

  /** What is due after that moment, until now; all or nothing of a millisecond. */
  async #page(hour: number, after: number, now: number): Promise<readonly Due[]> {
    const page = await this.#database.all(
      `SELECT due, conversation, seq FROM expiry
        WHERE hour = ? AND due > ? AND due <= ? LIMIT ?`,
      [hour, after, now, DUE_PER_PAGE],
    );
    const due = page.map(dueOf);
    const last = due.at(-1)?.at;
    if (last === undefined || due.length < DUE_PER_PAGE) return due;
    const whole = due.filter(({ at }) => at < last);
    if (whole.length > 0) return whole;
    const query = "SELECT due, conversation, seq FROM expiry WHERE hour = ? AND due = ?";
    return (await this.#database.all(query, [hour, last])).map(dueOf);
  }

  /** The mark last: what is broken off before is done again. */
  async #end(hour: number, now: number): Promise<void> {
    if (ttlAfter((hour + 1) * HOUR_MS, now) === 0) {
      const query = "DELETE FROM expiry WHERE hour = ?";
      await this.#database.write([{ query, params: [hour] }]);
    }
    const query = "DELETE FROM expiry_hour WHERE partition = 0 AND hour = ?";
    await this.#database.write([{ query, params: [hour] }]);
    this.#progress.delete(hour);
  }
}

const dueOf = (row: Row): Due => ({
  conversationId: row.conversation as ConversationId,
  seq: Number(row.seq),
  at: Number(row.due),
});

/**
 * Seconds for which a row is kept that is needed until `due`. 0 is for ever: Cassandra refuses what would
 * go by itself after the last moment that it can count to.
 */
export function ttlAfter(due: number, now: number): number {
  const needed = Math.max(0, Math.ceil((due - now) / 1_000)) + EXPIRY_KEPT_S;
  return now / 1_000 + needed > LAST_EXPIRY_S ? 0 : needed;
}

/** Rows that say when the entries end. */
export function plans(id: ConversationId, entries: readonly SequencedEntry[]): Statement[] {
  const now = Date.now();
  const statements: Statement[] = [];
  const hours = new Map<number, number>();
  for (const entry of entries) {
    const due = endOf(entry);
    if (due === null) continue;
    const ttl = ttlAfter(due, now);
    hours.set(hourOf(due), ttl);
    statements.push({
      query: "INSERT INTO expiry (hour, due, conversation, seq) VALUES (?, ?, ?, ?) USING TTL ?",
      params: [hourOf(due), due, id, entry.seq, ttl],
    });
  }
  for (const [hour, ttl] of hours) {
    statements.push({
      query: "INSERT INTO expiry_hour (partition, hour) VALUES (0, ?) USING TTL ?",
      params: [hour, ttl],
    });
  }
  return statements;
}
