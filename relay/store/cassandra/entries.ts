import { DovetailError } from "../../../shared/errors.js";
import type { ConversationId } from "../../../shared/ids.js";
import type { SequencedEntry } from "../../../shared/protocol.js";
import { emptied, endOf } from "../../core/lifetime.js";
import { rows } from "../rows.js";
import type { Database } from "./database.js";
import type { Due } from "./expiry.js";
import type { Cell, Segments } from "./segments.js";

/** Null where the entry is no longer kept. */
export function entryOf(
  id: ConversationId,
  seq: number,
  stored: Uint8Array,
): SequencedEntry | null {
  if (stored.length === 0) return null;
  return { seq, ...rows.entry.decode(`entry/${id}/${seq}`, stored) };
}

/** In one read; with the largest payloads about 4 MB. */
const ENTRIES_PER_READ = 64;

/** Those of a segment's entries that are kept, by seq. */
export async function entriesAt(
  database: Database,
  id: ConversationId,
  base: number,
  seqs: readonly number[],
): Promise<ReadonlyMap<number, SequencedEntry>> {
  const found = new Map<number, SequencedEntry>();
  const query = "SELECT seq, value FROM log WHERE conversation = ? AND base = ? AND seq IN ?";
  for (let from = 0; from < seqs.length; from += ENTRIES_PER_READ) {
    const some = seqs.slice(from, from + ENTRIES_PER_READ);
    for (const row of await database.all(query, [id, base, some])) {
      const entry = entryOf(id, Number(row.seq), row.value as Uint8Array);
      if (entry) found.set(entry.seq, entry);
    }
  }
  return found;
}

/** One entry in a segment. */
async function entryAt(
  database: Database,
  id: ConversationId,
  base: number,
  seq: number,
): Promise<SequencedEntry | null> {
  const query = "SELECT value FROM log WHERE conversation = ? AND base = ? AND seq = ?";
  const row = await database.one(query, [id, base, seq]);
  return row ? entryOf(id, seq, row.value as Uint8Array) : null;
}

/** Empties the payloads of entries that end at these times; says how many there were. */
export async function eraseEntries(
  database: Database,
  segments: Segments,
  due: readonly Due[],
): Promise<number> {
  const bySegment = new Map<string, { id: ConversationId; base: number; due: Due[] }>();
  await Promise.all(
    due.map(async (each) => {
      const { conversationId: id, seq } = each;
      const base = await segments.baseAt(id, seq);
      const key = `${id}/${base}`;
      const segment = bySegment.get(key) ?? { id, base, due: [] };
      segment.due.push(each);
      bySegment.set(key, segment);
    }),
  );
  // One write for a segment: several would keep each other from it.
  const erased = await Promise.all(
    [...bySegment.values()].map(async ({ id, base, due: some }) => {
      const left = () => allLeft(database, id, base, some);
      if ((await left()).length === 0) return 0;
      let count = 0;
      await segments.edit(id, base, async () => {
        const cells = await left();
        count = cells.length;
        return cells;
      });
      return count;
    }),
  );
  return erased.reduce((sum, count) => sum + count, 0);
}

/** Those entries, emptied, that are there with a payload and end at that time. */
async function allLeft(
  database: Database,
  id: ConversationId,
  base: number,
  due: readonly Due[],
): Promise<readonly Cell[]> {
  const cells = await Promise.all(
    due.map(async ({ seq, at }): Promise<Cell | null> => {
      const entry = await entryAt(database, id, base, seq).catch(nullIfDamaged);
      if (!entry || entry.payload.length === 0 || endOf(entry) !== at) return null;
      return { seq, name: "", value: rows.entry.encode(emptied(entry)) };
    }),
  );
  return cells.filter((cell) => cell !== null);
}

/** A damaged row must not keep the payloads of all others from being deleted. */
function nullIfDamaged(error: unknown): null {
  if (DovetailError.from(error).code === "profile_corrupt") return null;
  throw error;
}
