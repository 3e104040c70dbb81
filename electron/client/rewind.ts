import type { ConversationId } from "../../shared/ids.js";
import type { Write } from "../../shared/key-value.js";
import { announce, type Core, putConversation, putTail } from "./core.js";
import type { Change } from "./journal.js";
import { type ConversationRow, keys, logRow, seqOfKey } from "./rows.js";
import { insert, readTail, type TailEntry } from "./state.js";
import { tailMessage } from "./views.js";

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
  const stored = await core.ports.store.range({
    from: keys.log(conversationId, upTo + 1),
    to: keys.log(conversationId, conversation.row.upTo + 1),
  });
  const last = upTo > 0 ? await core.ports.store.get(keys.log(conversationId, upTo)) : undefined;
  const self = core.state.self.userId;
  const { readUpTo } = conversation.row;
  const back = stored.map(({ key, value }): TailEntry => {
    const { userId, deviceId, n, at, direct, floor, payload } = logRow.decode(value);
    const read = userId === self || seqOfKey(key) <= readUpTo;
    return readTail({
      ...{ userId, deviceId, n, at, direct, floor, read, payload },
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
  const writes = back.flatMap((entry): Write[] => [
    { type: "del", key: keys.origin(conversationId, entry) },
    putTail(conversationId, entry),
  ]);
  return {
    writes: [
      ...stored.map(({ key }): Write => ({ type: "del", key })),
      ...writes,
      putConversation(row),
    ],
    apply() {
      conversation.row = row;
      conversation.newest = last ? logRow.decode(last) : null;
      conversation.heardUpTo = Math.min(conversation.heardUpTo, upTo);
      for (const entry of back) {
        insert(conversation.tail, entry);
        core.events.emit("message.updated", tailMessage(core.state, row, entry));
      }
      announce(core, conversation);
    },
  };
}
