/** The changes that make conversations and people known to this profile. */
import type { ConversationId, UserId } from "../../shared/ids.js";
import type { Write } from "../../shared/key-value.js";
import type { ConversationState } from "../../shared/protocol.js";
import { FLAGS } from "./content.js";
import { announce, type Core, putConversation, putStamp, reachStamp } from "./core.js";
import type { Change } from "./journal.js";
import { membershipWrites } from "./membership.js";
import { moveMembers } from "./receipts.js";
import {
  type ConversationRow,
  draftRow,
  flagRow,
  keys,
  type MemberRow,
  personRow,
} from "./rows.js";
import { type Conversation, newConversation } from "./state.js";
import { untold } from "./untold.js";

/**
 * A conversation as the relay has it: makes it known, or notes how far its log has come. The cursors
 * of one that was known are moved by {@link moveMembers}, which sees what they pass over.
 */
export async function meet(
  core: Core,
  told: ConversationState,
  stamp?: number,
): Promise<Change<void>> {
  const { state } = core;
  const { conversationId, kind } = told;
  const known = state.conversations.get(conversationId);
  const members = told.members.map(
    ({ userId, deliveredUpTo, readUpTo, admin }): MemberRow => ({
      ...{ userId, deliveredUpTo, readUpTo, admin },
    }),
  );
  const self = members.find((member) => member.userId === state.self.userId);
  const newer = !known || told.epoch > known.row.epoch || kind !== "group";
  const row: ConversationRow = known
    ? {
        ...known.row,
        head: Math.max(known.row.head, told.head),
        ...(newer && {
          members: merged(known.row.members, members, state.self.userId),
          epoch: told.epoch,
          restricted: told.restricted,
        }),
      }
    : {
        ...{ conversationId, kind, members },
        head: told.head,
        upTo: 0,
        readUpTo: self?.readUpTo ?? 0,
        nextN: 1,
        unread: 0,
        mentioned: false,
        activity: core.ports.clock.now(),
        epoch: told.epoch,
        restricted: told.restricted,
        orphans: 0,
        accepted: false,
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
  const conversation = known ?? newConversation(row);
  if (!known) await recall(core, conversation);
  return {
    writes: [
      ...writes,
      putConversation(row),
      ...(newer ? membershipWrites(row) : []),
      ...putStamp(core, stamp),
    ],
    apply() {
      reachStamp(core, stamp);
      for (const { userId, handle, displayName } of people) {
        state.people.set(userId, { handle, displayName });
      }
      conversation.row = row;
      state.conversations.set(conversationId, conversation);
      announce(core, conversation);
    },
  };
}

/** What another device has set for a conversation can be known before the conversation is. */
async function recall(core: Core, conversation: Conversation): Promise<void> {
  const { store } = core.ports;
  const { conversationId } = conversation.row;
  const draft = await store.get(keys.draft(conversationId));
  if (draft) conversation.draft = draftRow.decode(draft);
  for (const flag of FLAGS) {
    const stored = await store.get(keys.flag(conversationId, flag));
    if (stored) conversation.flags.set(flag, flagRow.decode(stored));
  }
}

/**
 * Those of the relay, with the cursors of those that were known left for `moveMembers`; also the own,
 * of somebody who comes back, for there is a history here that it is the cursor of.
 */
function merged(
  before: readonly MemberRow[],
  told: readonly MemberRow[],
  self: UserId,
): MemberRow[] {
  const knownBefore = new Map(before.map((member) => [member.userId, member]));
  return told.map((member) => {
    const known = knownBefore.get(member.userId);
    if (known) return { ...known, admin: member.admin };
    return member.userId === self ? { ...member, deliveredUpTo: 0, readUpTo: 0 } : member;
  });
}

/** {@link meet}, then every cursor: of a thousand members in one change. */
export async function meetWithCursors(
  core: Core,
  told: ConversationState,
  stamp?: number,
): Promise<void> {
  await core.journal.run(() => meet(core, told));
  await core.journal.run(() => moveMembers(core, told.conversationId, told.members, stamp));
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

/** What is typed, on this device; the other devices are told when typing pauses. */
export function setDraft(core: Core, conversationId: ConversationId, text: string): Change<void> {
  const conversation = core.state.conversation(conversationId);
  const row = { writing: untold(conversation.draft), text };
  return {
    writes: [{ type: "put", key: keys.draft(conversationId), value: draftRow.encode(row) }],
    apply() {
      conversation.draft = row;
      announce(core, conversation);
    },
  };
}
