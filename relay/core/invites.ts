/** Invite links: whoever has the code may add itself to the group. */
import { DovetailError } from "../../shared/errors.js";
import type { ConversationId, UserId } from "../../shared/ids.js";
import { MAX_INVITES } from "../../shared/limits.js";
import { checkSize, NO_CHANGE } from "../../shared/membership.js";
import type { ClientFrame, ConversationState, RelayFrame } from "../../shared/protocol.js";
import type { Peer } from "./connections.js";
import type { Conversation } from "./conversation.js";
import type { InviteStore, StoredInvite } from "./ports.js";
import { type RegroupContext, regroup } from "./regroup.js";
import type { WriteHealth } from "./write-health.js";

export interface InviteContext extends RegroupContext {
  readonly invites: InviteStore;
  readonly health: WriteHealth;
}

type Frame<T extends ClientFrame["type"]> = Extract<ClientFrame, { type: T }>;

/** A code is part of a key in the store; a shorter one could be guessed. */
const CODE = /^[0-9A-Za-z]{12,64}$/;

export async function createInvite(
  context: InviteContext,
  peer: Peer,
  frame: Frame<"createInvite">,
): Promise<RelayFrame> {
  const { requestId, conversationId, code, expiresAt, maxUses, preview } = frame;
  await groupToAddTo(context, conversationId, peer.userId);
  if (!CODE.test(code)) throw new DovetailError("link_invalid", "The code is malformed.");
  const { clock, invites, health } = context;
  const now = clock.now();
  const wanted: StoredInvite = {
    conversationId,
    code,
    createdBy: peer.userId,
    createdAt: now,
    expiresAt,
    maxUses,
    uses: 0,
    preview,
  };
  const added = await health.write(() =>
    invites.add(wanted, MAX_INVITES, (invite) => !isAlive(invite, now)),
  );
  if (added === "too_many_invites") throw new DovetailError(added);
  if (added.conversationId !== conversationId) {
    throw new DovetailError("link_invalid", "The code is taken.");
  }
  return { type: "done", requestId };
}

export async function getInvites(
  context: InviteContext,
  peer: Peer,
  { requestId, conversationId }: Frame<"getInvites">,
): Promise<RelayFrame> {
  await groupToAddTo(context, conversationId, peer.userId);
  const now = context.clock.now();
  const all = await context.invites.of(conversationId);
  const invites = all.filter((invite) => isAlive(invite, now));
  return { type: "invites", requestId, invites };
}

export async function revokeInvite(
  context: InviteContext,
  peer: Peer,
  { requestId, conversationId, code }: Frame<"revokeInvite">,
): Promise<RelayFrame> {
  await groupToAddTo(context, conversationId, peer.userId);
  const invite = await findInvite(context.invites, code);
  if (invite?.conversationId === conversationId) {
    await context.health.write(() => context.invites.remove(conversationId, code));
  }
  return { type: "done", requestId };
}

export async function getInvitation(
  context: InviteContext,
  peer: Peer,
  { requestId, code }: Frame<"getInvitation">,
): Promise<RelayFrame> {
  const { invite, conversation } = await invited(context, peer.userId, code);
  return {
    type: "invitation",
    requestId,
    conversationId: conversation.id,
    joined: conversation.has(peer.userId),
    memberCount: conversation.members.length,
    preview: invite.preview,
  };
}

export async function join(
  context: InviteContext,
  peer: Peer,
  { requestId, code, payload }: Frame<"join">,
): Promise<RelayFrame | null> {
  const { conversations } = context;
  const opened = (conversation: ConversationState): RelayFrame => ({
    type: "opened",
    requestId,
    conversation,
  });
  const { conversation: group } = await invited(context, peer.userId, code);
  const written = await regroup(context, peer, {
    conversationId: group.id,
    payload,
    async propose() {
      // Every use begins an epoch. So one that is taken after this was read is noticed, and two who
      // join at once cannot both take the last.
      const epoch = (await conversations.find(group.id))?.group.epoch;
      const { invite, conversation } = await invited(context, peer.userId, code);
      if (conversation.has(peer.userId)) return null;
      const adds = [peer.userId];
      checkSize(conversation.group, adds);
      return {
        conversation,
        epoch: epoch ?? conversation.group.epoch,
        change: { ...NO_CHANGE, adds },
        opens: false,
        invite: { code, uses: invite.uses },
      };
    },
    answer: (_entry, state) => opened(state),
  });
  if (written) return null;
  const there = await conversations.ofMember(group.id, peer.userId);
  return opened(await conversations.state(there, peer.userId));
}

/** Null also for what cannot be a code. */
export const findInvite = async (
  invites: InviteStore,
  code: string,
): Promise<StoredInvite | null> => (CODE.test(code) ? invites.find(code) : null);

const isAlive = ({ expiresAt, maxUses, uses }: StoredInvite, now: number): boolean =>
  (expiresAt === null || now < expiresAt) && (maxUses === null || uses < maxUses);

/** A link that is dead says nothing to anybody but members, who need it no more. */
async function invited(
  { invites, conversations, clock }: InviteContext,
  user: UserId,
  code: string,
): Promise<{ invite: StoredInvite; conversation: Conversation }> {
  const invite = await findInvite(invites, code);
  const conversation = invite && (await conversations.find(invite.conversationId));
  const usable =
    conversation &&
    conversation.members.length > 0 &&
    (isAlive(invite, clock.now()) || conversation.has(user));
  if (!usable) throw new DovetailError("link_invalid");
  return { invite, conversation };
}

/** @throws DovetailError where the user may not add people to it. */
async function groupToAddTo(
  { conversations }: InviteContext,
  id: ConversationId,
  user: UserId,
): Promise<void> {
  const conversation = await conversations.ofMember(id, user);
  const { members, restricted } = conversation.group;
  const own = members.find(({ userId }) => userId === user);
  if (conversation.kind !== "group" || (restricted && !own?.admin)) {
    throw new DovetailError("not_allowed");
  }
}
