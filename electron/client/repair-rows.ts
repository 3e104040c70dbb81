/** The change that puts back what a stored log lacks. */
import { sameBytes } from "../../shared/bytes.js";
import { type ConversationId, messageIdOf } from "../../shared/ids.js";
import type { SequencedEntry } from "../../shared/protocol.js";
import { decodeContent, isShown, targetOf } from "./content.js";
import type { Core } from "./core.js";
import { isNamed, storedIn } from "./digest.js";
import type { Logged } from "./found.js";
import type { Change } from "./journal.js";
import { Revision } from "./revision.js";
import { keys, type LogRow, logRow } from "./rows.js";
import { type Conversation, sameOrigin, type TailEntry } from "./state.js";

/** Rows that are read at once. */
const READ = 500;

export interface Restored {
  readonly count: number;
  /** The first place where another entry stands here than at the relay. */
  readonly fork: number | null;
}

/**
 * Makes a part of the stored log as the relay gave it, in order. Ends before an entry that is another
 * one here, unless `overwrite`. One change for the entries and for what others make of them: done by
 * halves, the log would look whole ever after.
 */
export async function restore(
  core: Core,
  id: ConversationId,
  entries: readonly SequencedEntry[],
  overwrite: boolean,
): Promise<Change<Restored>> {
  const conversation = core.state.conversation(id);
  const [from, to] = [entries[0]?.seq ?? 1, entries.at(-1)?.seq ?? 0];
  const stored = await storedIn(core, id, { from, to });
  const revision = new Revision(core, conversation);
  const shown = new Set<string>();
  let fork: number | null = null;
  let count = 0;
  for (const entry of entries) {
    if (entry.seq > conversation.row.upTo) break;
    // Its row and its origin were lost, and then it came again from another device.
    const pending = conversation.tail.find((waiting) => sameOrigin(waiting, entry));
    // What is not sent yet stays, whatever has taken its number.
    if (pending && !sameBytes(pending.payload, entry.payload)) continue;
    const known = stored.get(entry.seq);
    if (known && !sameOrigin(known.row, entry) && !overwrite) {
      fork = entry.seq;
      break;
    }
    const same = known && sameOrigin(known.row, entry) ? known : null;
    const whole = same && isAsGiven(same, entry) && (await isNamed(core, id, same));
    if (whole && !pending) continue;
    const row = rowOf(core, entry, same?.row ?? pending);
    await revision.mend(entry.seq, row, pending);
    if (isShown(decodeContent(row.payload, row.at).body)) shown.add(messageIdOf(id, row));
    count++;
  }
  if (shown.size > 0) await followAll(core, conversation, revision, shown);
  return {
    writes: count > 0 ? revision.writes : [],
    apply() {
      if (count > 0) revision.apply();
      return { count, fork };
    },
  };
}

/** What disappeared or was deleted is not what it was, and is to stay so. */
const isAsGiven = ({ row: { payload, marks, at } }: Logged, entry: SequencedEntry): boolean =>
  payload.length === 0 ||
  entry.payload.length === 0 ||
  marks?.deleted === true ||
  sameBytes(payload, entry.payload) ||
  decodeContent(payload, at).body.type === "erased";

function rowOf(
  core: Core,
  { seq: _, ...entry }: SequencedEntry,
  known: LogRow | TailEntry | undefined,
): LogRow {
  const { direct, floor, marks } = known ?? { direct: false, floor: "none", marks: null };
  const relayNow = core.ports.clock.now() + core.state.skew;
  const isGone =
    known?.payload.length === 0 || (entry.ttl > 0 && entry.at + entry.ttl * 1000 <= relayNow);
  const payload = isGone ? new Uint8Array() : entry.payload;
  return { ...entry, direct, floor, marks, payload };
}

/** What the other entries make of those messages, wherever in the log they stand. */
async function followAll(
  core: Core,
  { row, tail }: Conversation,
  revision: Revision,
  messages: ReadonlySet<string>,
): Promise<void> {
  const { conversationId: id, upTo } = row;
  for (let from = 1; from <= upTo; from += READ) {
    const rows = await core.ports.store.range({
      from: keys.quiet(id, from),
      to: keys.quiet(id, Math.min(from + READ, upTo + 1)),
    });
    for (const { value } of rows) {
      const entry = logRow.decode(value);
      const { body, clock } = decodeContent(entry.payload, entry.at);
      const target = targetOf(body);
      if (!target || !messages.has(messageIdOf(id, target))) continue;
      await revision.followAgain(body, entry, clock);
    }
  }
  for (const entry of tail) {
    const { body, clock } = entry.content;
    const target = targetOf(body);
    if (!target || !messages.has(messageIdOf(id, target))) continue;
    await revision.followAgain(body, { ...entry, rights: null, membership: null }, clock);
  }
}
