import type { ConversationId } from "../../shared/ids.js";
import type { Write } from "../../shared/key-value.js";
import { isMembershipN } from "../../shared/membership.js";
import { announce, type Core, putConversation, putTail } from "./core.js";
import { tell } from "./entries.js";
import { logAt } from "./find.js";
import type { Change } from "./journal.js";
import { membershipWrites } from "./membership.js";
import { type ConversationRow, keys, logRow, seqOfKey } from "./rows.js";
import { insert, lastShown, readTail, type TailEntry } from "./state.js";

/** Entries taken back in one change. */
const STEP = 500;

/**
 * The relay has lost what it had acknowledged: it was restored from a backup. What stands here after
 * the last common entry goes back to the tail, where nothing is lost: each device brings its own
 * entries to the log again, and shows those of others until their devices have done so.
 *
 * Takes one step back, and has to be repeated until `row.upTo` is `common`.
 */
export async function rewind(
  core: Core,
  conversationId: ConversationId,
  common: number,
  head: number,
): Promise<Change<void>> {
  const conversation = core.state.conversation(conversationId);
  const upTo = Math.max(common, conversation.row.upTo - STEP);
  const { store } = core.ports;
  const range = (key: typeof keys.shown) => ({
    from: key(conversationId, upTo + 1),
    to: key(conversationId, conversation.row.upTo + 1),
  });
  const shown = await store.range(range(keys.shown));
  const stored = [...shown, ...(await store.range(range(keys.quiet)))];
  const last = upTo > 0 ? await logAt(core, conversationId, upTo) : null;
  const before = await lastShown(core.state, store, conversation.row, upTo);
  const self = core.state.self.userId;
  const { readUpTo } = conversation.row;
  // A change of members is the relay's word: where it has taken it back there was none.
  const kept = stored.filter(({ value }) => !isMembershipN(logRow.decode(value).n));
  const back = kept.map(({ key, value }): TailEntry => {
    const { membership: _, ...row } = logRow.decode(value);
    const read = row.userId === self || seqOfKey(key) <= readUpTo;
    return readTail({
      ...row,
      read,
      seq: 0,
      signature: null,
      heldBy: [],
    });
  });
  const row: ConversationRow = {
    ...conversation.row,
    upTo,
    head: Math.max(head, upTo),
    readUpTo: Math.min(readUpTo, upTo),
    members: conversation.row.members.map((member) => ({
      ...member,
      deliveredUpTo: Math.min(member.deliveredUpTo, upTo),
      readUpTo: Math.min(member.readUpTo, upTo),
    })),
  };
  const writes = back.flatMap((entry): Write[] => [putTail(conversationId, entry)]);
  return {
    writes: [
      ...stored.flatMap(({ key, value }): Write[] => [
        { type: "del", key },
        { type: "del", key: keys.origin(conversationId, logRow.decode(value)) },
      ]),
      ...writes,
      putConversation(row),
      ...membershipWrites(row),
    ],
    apply() {
      conversation.row = row;
      conversation.newest = last?.row ?? null;
      conversation.lastShown = before;
      conversation.heardUpTo = Math.min(conversation.heardUpTo, upTo);
      for (const entry of back) {
        insert(conversation.tail, entry);
        tell(core, conversation, { kind: "tail", entry });
      }
      announce(core, conversation);
    },
  };
}
