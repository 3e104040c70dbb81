/** A log of the embedded store as rows of Cassandra: see `Segments` for what stands where. */

import { DovetailError } from "../../shared/errors.js";
import type { ConversationId, DeviceId } from "../../shared/ids.js";
import { fromSortable } from "../../shared/key-value.js";
import type { SequencedEntry } from "../../shared/protocol.js";
import type { StoredConversation } from "../core/ports.js";
import { SEGMENT_ENTRIES } from "../store/cassandra/bounds.js";
import { names } from "../store/cassandra/change.js";
import { plans } from "../store/cassandra/expiry.js";
import type { Unit } from "../store/cassandra/filling.js";
import { type Cell, insert } from "../store/cassandra/segments.js";
import type { Statement } from "../store/cassandra/statement.js";
import { keys, rows } from "../store/rows.js";
import { lastPart, rowsUnder, type Source } from "./source.js";

const NOTHING = new Uint8Array(0);
/** Trimmed entries whose places are written at once. */
const ORIGINS_PER_UNIT = 4_096;
const ENTRIES_PER_READ = 128;

const baseOf = (seq: number): number =>
  Math.floor((seq - 1) / SEGMENT_ENTRIES) * SEGMENT_ENTRIES + 1;
/** Grows with the segments, and is never 0, which means that there is none. */
const versionOf = (base: number): number => (base - 1) / SEGMENT_ENTRIES + 1;

export const segmentsOf = ({ head }: StoredConversation): number =>
  versionOf(baseOf(Math.max(head, 1)));

/** The log in pieces, of which one at a time is in memory. */
export async function* logUnits(
  source: Source,
  id: ConversationId,
  { head, first }: StoredConversation,
): AsyncGenerator<Unit> {
  const newest = baseOf(Math.max(head, 1));
  yield* trimmedUnits(source, id, first);
  for (let base = 1; base <= newest; base += SEGMENT_ENTRIES) {
    const end = Math.min(base + SEGMENT_ENTRIES, head + 1);
    const entries = end > first ? await entriesOf(source, id, Math.max(base, first), end) : [];
    // Where the log begins is asked of its newest segment; the others stay as they are.
    const begin = base === newest ? first : 1;
    yield entriesUnit(id, { base, head: end - 1, first: begin }, entries);
  }
  yield await stateUnit(source, id, newest);
}

async function entriesOf(
  { store }: Source,
  id: ConversationId,
  from: number,
  end: number,
): Promise<readonly SequencedEntry[]> {
  const all: SequencedEntry[] = [];
  for (let next = from; next < end; ) {
    const page = await store.logs.entries(id, next, Math.min(ENTRIES_PER_READ, end - next));
    all.push(...page);
    next = (page.at(-1)?.seq ?? end) + 1;
  }
  if (all.length !== end - from || all.some(({ seq }, i) => seq !== from + i)) {
    throw new DovetailError("profile_corrupt", `Entries of the log ${id} are missing.`);
  }
  return all;
}

function entriesUnit(
  id: ConversationId,
  { base, head, first }: { readonly base: number; readonly head: number; readonly first: number },
  entries: readonly SequencedEntry[],
): Unit {
  const cells = entries.flatMap((entry): Cell[] => [
    { seq: entry.seq, name: "", value: rows.entry.encode(entry) },
    {
      seq: 0,
      name: names.origin(entry.deviceId, entry.n),
      value: rows.origin.encode({ seq: entry.seq, at: null }),
    },
  ]);
  const kept = entries.filter(({ payload }) => payload.length > 0);
  return {
    name: `log/${id}/${base}`,
    cleared: [
      {
        query: "DELETE FROM log WHERE conversation = ? AND base = ? AND seq > 0",
        params: [id, base],
      },
    ],
    statements: [
      ...(base > 1
        ? [
            {
              query: "INSERT INTO segment (conversation, base) VALUES (?, ?)",
              params: [id, base],
            },
          ]
        : []),
      {
        query: `INSERT INTO log (conversation, base, head, first, version, attempt, pending)
          VALUES (?, ?, ?, ?, ?, ?, ?)`,
        params: [id, base, head, first, versionOf(base), "filling", NOTHING],
      },
      ...cells.map((cell) => insert(id, base, cell.seq, cell.name, cell.value)),
    ],
    fleeting: plans(id, kept),
  };
}

/** Where entries stand that are no longer kept. */
async function* trimmedUnits(
  source: Source,
  id: ConversationId,
  first: number,
): AsyncGenerator<Unit> {
  if (first === 1) return;
  let statements: Statement[] = [];
  let from = "";
  const unit = (): Unit => ({ name: `trimmed/${id}/${from}`, cleared: [], statements });
  for await (const { key, value } of rowsUnder(source.at(id), `origin/${id}/`)) {
    const { seq } = rows.origin.decode(key, value);
    if (seq >= first) continue;
    const [device, n] = key.split("/").slice(-2) as [DeviceId, string];
    from ||= `${device}/${n}`;
    statements.push(insert(id, baseOf(seq), 0, names.origin(device, fromSortable(n)), value));
    if (statements.length < ORIGINS_PER_UNIT) continue;
    yield unit();
    statements = [];
    from = "";
  }
  if (statements.length > 0) yield unit();
}

/** All that the conversation is besides its entries. */
async function stateUnit(source: Source, id: ConversationId, base: number): Promise<Unit> {
  const kv = source.at(id);
  const cells: [name: string, value: Uint8Array][] = [];
  const conversation = await kv.get(keys.conversation(id));
  if (conversation) cells.push([names.conversation, conversation]);
  for (const kind of ["cursor", "span", "last"]) {
    for await (const { key, value } of rowsUnder(kv, `${kind}/${id}/`)) {
      cells.push([`${kind}/${lastPart(key)}`, value]);
    }
  }
  const codes: string[] = [];
  for (const invite of await source.store.invites.of(id)) {
    cells.push([names.link(invite.code), rows.invite.encode(invite)]);
    codes.push(invite.code);
  }
  return {
    name: `state/${id}`,
    cleared: [
      {
        query:
          "DELETE FROM log WHERE conversation = ? AND base = ? AND seq = 0 AND name >= ? AND name < ?",
        params: [id, base, "", "z"],
      },
    ],
    statements: [
      ...cells.map(([name, value]) => insert(id, base, 0, name, value)),
      ...codes.map((code) => ({
        query: "INSERT INTO invite (code, conversation) VALUES (?, ?)",
        params: [code, id],
      })),
    ],
  };
}
