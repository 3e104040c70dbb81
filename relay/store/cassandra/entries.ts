import type { ConversationId } from "../../../shared/ids.js";
import type { SequencedEntry } from "../../../shared/protocol.js";
import { emptied, endOf } from "../../core/lifetime.js";
import { nullIfDamaged, rows } from "../rows.js";
import { ENTRIES_PER_READ } from "./bounds.js";
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

/** What the log has at those places of a segment, by seq. */
async function rowsAt(
  database: Database,
  id: ConversationId,
  base: number,
  seqs: readonly number[],
): Promise<ReadonlyMap<number, Uint8Array>> {
  const found = new Map<number, Uint8Array>();
  const query = "SELECT seq, value FROM log WHERE conversation = ? AND base = ? AND seq IN ?";
  for (let from = 0; from < seqs.length; from += ENTRIES_PER_READ) {
    const some = seqs.slice(from, from + ENTRIES_PER_READ);
    for (const row of await database.all(query, [id, base, some])) {
      found.set(Number(row.seq), row.value as Uint8Array);
    }
  }
  return found;
}

/** Those of a segment's entries that are kept, by seq. */
export async function entriesAt(
  database: Database,
  id: ConversationId,
  base: number,
  seqs: readonly number[],
): Promise<ReadonlyMap<number, SequencedEntry>> {
  const found = new Map<number, SequencedEntry>();
  for (const [seq, stored] of await rowsAt(database, id, base, seqs)) {
    const entry = entryOf(id, seq, stored);
    if (entry) found.set(seq, entry);
  }
  return found;
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
  const seqs = due.map(({ seq }) => seq);
  const stored = await rowsAt(database, id, base, seqs);
  return due.flatMap(({ seq, at }): Cell[] => {
    const entry = undamaged(id, seq, stored.get(seq));
    if (!entry || entry.payload.length === 0 || endOf(entry) !== at) return [];
    return [{ seq, name: "", value: rows.entry.encode(emptied(entry)) }];
  });
}

function undamaged(
  id: ConversationId,
  seq: number,
  stored: Uint8Array | undefined,
): SequencedEntry | null {
  try {
    return stored ? entryOf(id, seq, stored) : null;
  } catch (error) {
    return nullIfDamaged(error);
  }
}
