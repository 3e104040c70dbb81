/** Who is in a group, as the log tells. */
import type { Write } from "../../shared/key-value.js";
import { changed, type Group } from "../../shared/membership.js";
import type { Membership } from "../../shared/protocol.js";
import type { Core } from "./core.js";
import type { Effect } from "./registers.js";
import { type ConversationRow, keys, type LogRow, membersRow, personRow } from "./rows.js";

export const membershipWrites = (row: ConversationRow): Write[] => [
  {
    type: "put",
    key: keys.membersOf(row.conversationId),
    value: membersRow.encode(row.members),
  },
];

export const groupOf = ({ epoch, restricted, members }: ConversationRow): Group => ({
  epoch,
  restricted,
  members,
});

/**
 * The conversation after a change of its members; null where it is known already. What is known may
 * be ahead of the log, because the relay tells new members who is there now.
 */
export function followed(
  row: ConversationRow,
  { membership }: LogRow,
  seq: number,
): ConversationRow | null {
  if (!membership || membership.epoch !== row.epoch + 1) return null;
  // Who is not a member is told of nobody: who else is there when they come back the relay has to tell.
  if (row.epoch > 0 && row.members.length === 0) return null;
  const change = { ...membership, adds: membership.adds.map(({ userId }) => userId) };
  const after = changed(groupOf(row), change);
  const members = after.members.map(({ userId, admin }) => {
    const known = row.members.find((member) => member.userId === userId);
    // What was written before somebody joined does not wait for them.
    return { deliveredUpTo: seq - 1, readUpTo: seq - 1, ...known, userId, admin };
  });
  return { ...row, epoch: after.epoch, restricted: after.restricted, members };
}

/**
 * Those who were added and are not known yet. What the relay has told of somebody is never older
 * than the log; it tells nothing of who came and went since.
 */
export function introduced(core: Core, adds: Membership["adds"]): Effect {
  const { people } = core.state;
  const strangers = adds.filter(({ userId }) => !people.has(userId));
  return {
    writes: strangers.map(({ userId, handle, displayName }) => ({
      type: "put",
      key: keys.person(userId),
      value: personRow.encode({ handle, displayName }),
    })),
    apply() {
      for (const { userId, handle, displayName } of strangers) {
        people.set(userId, { handle, displayName });
      }
    },
  };
}
