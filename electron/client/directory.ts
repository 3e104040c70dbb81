/** The changes that make conversations and people known to this profile. */
import type { ConversationId } from "../../shared/ids.js";
import type { Write } from "../../shared/key-value.js";
import type { ConversationState } from "../../shared/protocol.js";
import { announce, type Core, putConversation, putStamp, reachStamp } from "./core.js";
import type { Change } from "./journal.js";
import { moveMember } from "./receipts.js";
import { draftRow, keys, type MemberRow, personRow } from "./rows.js";

/**
 * A conversation as the relay has it: makes it known, or notes how far its log has come. The cursors
 * of one that was known are moved by {@link moveMember}, which sees what they pass over.
 */
export function meet(core: Core, told: ConversationState, stamp?: number): Change<void> {
  const { state } = core;
  const known = state.conversations.get(told.conversationId);
  const cursors = told.members.map(
    ({ userId, deliveredUpTo, readUpTo }): MemberRow => ({ userId, deliveredUpTo, readUpTo }),
  );
  const self = cursors.find((member) => member.userId === state.self.userId);
  const row = known
    ? {
        ...known.row,
        head: Math.max(known.row.head, told.head),
        members: merged(known.row.members, cursors),
      }
    : {
        conversationId: told.conversationId,
        kind: told.kind,
        members: cursors,
        head: told.head,
        upTo: 0,
        readUpTo: self?.readUpTo ?? 0,
        nextN: 1,
        unread: 0,
        activity: core.ports.clock.now(),
      };
  const people = told.members.filter(({ userId, handle, displayName }) => {
    const before = state.people.get(userId);
    return before?.handle !== handle || before.displayName !== displayName;
  });
  const writes: Write[] = people.map(({ userId, handle, displayName }) => ({
    type: "put",
    key: keys.person(userId),
    value: personRow.encode({ handle, displayName }),
  }));
  return {
    writes: [...writes, putConversation(row), ...putStamp(core, stamp)],
    apply() {
      reachStamp(core, stamp);
      for (const { userId, handle, displayName } of people) {
        state.people.set(userId, { handle, displayName });
      }
      const conversation = known ?? { row, tail: [], newest: null, draft: "", heardUpTo: 0 };
      conversation.row = row;
      state.conversations.set(told.conversationId, conversation);
      announce(core, conversation);
    },
  };
}

/** Those of the relay, with the cursors of those that were known left for `moveMember`. */
const merged = (before: readonly MemberRow[], told: readonly MemberRow[]): MemberRow[] =>
  told.map((member) => before.find((known) => known.userId === member.userId) ?? member);

/** {@link meet}, then every cursor. */
export async function meetWithCursors(
  core: Core,
  told: ConversationState,
  stamp?: number,
): Promise<void> {
  await core.journal.run(() => meet(core, told));
  for (const member of told.members) {
    await core.journal.run(() => moveMember(core, told.conversationId, member));
  }
  if (stamp !== undefined) await core.journal.run(() => reach(core, stamp));
}

/** The position alone, when what it stands for is stored. */
export const reach = (core: Core, stamp: number): Change<void> => ({
  writes: putStamp(core, stamp),
  apply: () => reachStamp(core, stamp),
});

/** Everything is asked for anew. */
export const forgetStamp = (core: Core): Change<void> => ({
  writes: [{ type: "del", key: keys.stamp }],
  apply: () => {
    core.state.stamp = 0;
  },
});

export function setDraft(core: Core, conversationId: ConversationId, text: string): Change<void> {
  const conversation = core.state.conversation(conversationId);
  const key = keys.draft(conversationId);
  return {
    writes: [
      text === "" ? { type: "del", key } : { type: "put", key, value: draftRow.encode(text) },
    ],
    apply() {
      conversation.draft = text;
      announce(core, conversation);
    },
  };
}
