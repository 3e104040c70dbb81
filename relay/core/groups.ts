/** How groups are made, and how their members ask for a change of who is in. */
import { DovetailError } from "../../shared/errors.js";
import type { UserId } from "../../shared/ids.js";
import {
  checkChange,
  checkSize,
  type Group,
  type GroupChange,
  membershipN,
  NO_CHANGE,
} from "../../shared/membership.js";
import type {
  ClientFrame,
  ConversationState,
  Membership,
  MembershipChange,
  RelayFrame,
} from "../../shared/protocol.js";
import type { Peer } from "./connections.js";
import { Conversation } from "./conversation.js";
import { type RegroupContext, regroup } from "./regroup.js";

type Frame<T extends ClientFrame["type"]> = Extract<ClientFrame, { type: T }>;

const EMPTY_GROUP: Group = { epoch: 0, restricted: false, members: [] };

/** Makes the group; one that the same device has made under that id already is given as it is. */
export async function createGroup(
  context: RegroupContext,
  peer: Peer,
  { requestId, conversationId, memberIds, payload }: Frame<"createGroup">,
): Promise<RelayFrame | null> {
  const { conversations } = context;
  const adds = [...new Set([peer.userId, ...memberIds])];
  checkSize(EMPTY_GROUP, adds);
  const change: GroupChange = { ...NO_CHANGE, adds, promotes: [peer.userId] };
  const opened = (conversation: ConversationState): RelayFrame => ({
    type: "opened",
    requestId,
    conversation,
  });
  const written = await regroup(context, peer, {
    conversationId,
    payload,
    async propose() {
      if (await conversations.find(conversationId)) return null;
      const conversation = new Conversation(conversationId, {
        kind: "group",
        group: EMPTY_GROUP,
        head: 0,
        first: 1,
        cursors: new Map(),
      });
      return { conversation, epoch: 0, change, opens: true, invite: null };
    },
    answer: (_entry, state) => opened(state),
  });
  if (written) return null;
  const there = await conversations.ofReader(conversationId, peer.userId).catch((error) => {
    const unknown = DovetailError.from(error).code === "not_a_member";
    throw unknown ? new DovetailError("not_found", "That id is not free.") : error;
  });
  const n = membershipN(1);
  const [own] = await conversations.byOrigin(there, peer.deviceId, n, n + 1);
  if (!own) throw new DovetailError("not_allowed", "Another conversation has that id.");
  return opened(await conversations.state(there, peer.userId));
}

/**
 * @throws DovetailError `stale_epoch` where the group has changed since, but for the same change by the
 * same device: that one is answered again.
 */
export async function changeMembership(
  context: RegroupContext,
  peer: Peer,
  frame: Frame<"changeMembership">,
): Promise<RelayFrame | null> {
  const { conversations } = context;
  const { requestId, conversationId, epoch, change, payload } = frame;
  const appended = (seq: number, at: number): RelayFrame => ({
    type: "appended",
    requestId,
    places: [{ seq, at, rights: "moderate" }],
  });
  let before: RelayFrame | null = null;
  const written = await regroup(context, peer, {
    conversationId,
    payload,
    async propose() {
      const conversation = await conversations.ofReader(conversationId, peer.userId);
      if (conversation.kind !== "group") {
        throw new DovetailError("not_allowed", "Only a group's members change.");
      }
      if (conversation.group.epoch !== epoch) {
        const n = membershipN(epoch + 1);
        const [own] = await conversations.byOrigin(conversation, peer.deviceId, n, n + 1);
        // Of a change that is no longer kept nothing is left to compare.
        const same = own && (!own.entry?.membership || isSame(own.entry.membership, change));
        if (!same) {
          throw new DovetailError(conversation.has(peer.userId) ? "stale_epoch" : "not_a_member");
        }
        before = appended(own.seq, own.at);
        return null;
      }
      checkChange(conversation.group, peer.userId, change);
      return { conversation, epoch, change, opens: false, invite: null };
    },
    answer: ({ seq, at }) => appended(seq, at),
  });
  return written ? null : before;
}

function isSame(made: Membership, asked: MembershipChange): boolean {
  const adds = made.adds.map(({ userId }) => userId);
  return (
    sameUsers(adds, asked.adds) &&
    sameUsers(made.removes, asked.removes) &&
    sameUsers(made.promotes, asked.promotes) &&
    sameUsers(made.demotes, asked.demotes) &&
    made.restricted === asked.restricted
  );
}

function sameUsers(some: readonly UserId[], others: readonly UserId[]): boolean {
  const set = new Set(others);
  return set.size === new Set(some).size && some.every((user) => set.has(user));
}
