import { ID_BYTES } from "../../shared/ids.js";
import { MAX_NAME_BYTES } from "../../shared/limits.js";
import type { SequencedEntry } from "../../shared/protocol.js";

/** An id, a handle and a display name, each with its length. */
const PERSON_BYTES = ID_BYTES + 64 + 1 + MAX_NAME_BYTES + 2;
const NOTHING = new Uint8Array(0);

/** When the payload has to go, in milliseconds since 1970; null for never. */
export const endOf = ({ at, ttl }: Pick<SequencedEntry, "at" | "ttl">): number | null =>
  ttl > 0 ? at + ttl * 1_000 : null;

export const isOver = (entry: Pick<SequencedEntry, "at" | "ttl">, now: number): boolean =>
  (endOf(entry) ?? Number.POSITIVE_INFINITY) <= now;

/** Bytes of an entry for the bounds of pages: its payload, and at the most what a change of members takes. */
export function sizeOf({ payload, membership }: SequencedEntry): number {
  if (!membership) return payload.length;
  const { adds, removes, promotes, demotes } = membership;
  const ids = removes.length + promotes.length + demotes.length;
  return payload.length + adds.length * PERSON_BYTES + ids * ID_BYTES;
}

/** As it may be given out at that time. */
export const asOf = (entry: SequencedEntry, now: number): SequencedEntry =>
  isOver(entry, now) ? emptied(entry) : entry;

export const emptied = (entry: SequencedEntry): SequencedEntry => ({ ...entry, payload: NOTHING });
