import type { ConversationId } from "../../../shared/ids.js";
import type { SequencedEntry } from "../../../shared/protocol.js";
import { endOf } from "../../core/lifetime.js";
import { EXPIRY_KEPT_S, MAX_TTL_S } from "./bounds.js";
import type { Database, Statement } from "./database.js";

const HOUR_MS = 3_600_000;
const hourOf = (at: number): number => Math.floor(at / HOUR_MS);

export interface Due {
  readonly conversationId: ConversationId;
  readonly seq: number;
  readonly at: number;
}

/**
 * When entries end, in a partition per hour. Rows go by themselves long after they were needed, as
 * whole files, instead of being deleted one by one.
 */
export class Expiries {
  readonly #database: Database;
  /** Everything that ended in earlier hours is done. */
  #hour = 0;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Before the entries are in the log: one that is not, or is another, is passed over later. */
  async plan(id: ConversationId, entries: readonly SequencedEntry[]): Promise<void> {
    await this.#database.write(plans(id, entries));
  }

  /** `erase` says of how many of these there was something to delete. At most `limit` of them. */
  async erase(
    now: number,
    limit: number,
    erase: (due: readonly Due[]) => Promise<number>,
  ): Promise<number> {
    const hours = await this.#database.all(
      "SELECT hour FROM expiry_hour WHERE partition = 0 AND hour >= ? AND hour <= ?",
      [this.#hour, hourOf(now)],
    );
    let erased = 0;
    for (const each of hours) {
      const hour = Number(each.hour);
      const rows = await this.#database.all(
        "SELECT due, conversation, seq FROM expiry WHERE hour = ? AND due <= ?",
        [hour, now],
      );
      for (const row of rows) {
        if (erased >= limit) return erased;
        const due = { conversationId: row.conversation as ConversationId, seq: Number(row.seq) };
        erased += await erase([{ ...due, at: Number(row.due) }]);
      }
      // An entry with a short life may be planned a little after its hour.
      if (hour < hourOf(now) - 1) this.#hour = hour + 1;
    }
    return erased;
  }
}

/** Rows that say when the entries end. */
export const plans = (id: ConversationId, entries: readonly SequencedEntry[]): Statement[] =>
  entries.flatMap((entry): Statement[] => {
    const due = endOf(entry);
    if (due === null) return [];
    const left = Math.max(0, Math.ceil((due - Date.now()) / 1_000));
    const kept = Math.min(left + EXPIRY_KEPT_S, MAX_TTL_S);
    return [
      {
        query: "INSERT INTO expiry_hour (partition, hour) VALUES (0, ?) USING TTL ?",
        params: [hourOf(due), kept],
      },
      {
        query: "INSERT INTO expiry (hour, due, conversation, seq) VALUES (?, ?, ?, ?) USING TTL ?",
        params: [hourOf(due), due, id, entry.seq, kept],
      },
    ];
  });
