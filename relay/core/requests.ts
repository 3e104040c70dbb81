import type { DovetailError } from "../../shared/errors.js";
import { MAX_RECEIPT_MEMBERS } from "../../shared/limits.js";
import type { ClientFrame, RelayFrame } from "../../shared/protocol.js";
import type { Acquaintances } from "./acquaintances.js";
import { type AppendContext, AppendJob } from "./append.js";
import type { AttentionBoard } from "./attention.js";
import { type BlockContext, setBlocked } from "./blocking.js";
import { changesFor } from "./changes.js";
import type { Peer } from "./connections.js";
import { MoveCursorsJob } from "./cursors.js";
import { addDevice, type DevicesContext, devicesOf, removeDevice } from "./devices.js";
import { compareLog } from "./digests.js";
import type { WriteJob } from "./group-commit.js";
import { changeMembership, createGroup } from "./groups.js";
import {
  createInvite,
  getInvitation,
  getInvites,
  type InviteContext,
  join,
  revokeInvite,
} from "./invites.js";
import { type OpenContext, openConversation } from "./open-conversation.js";
import type { LogStore } from "./ports.js";
import { signal } from "./signalling.js";

export interface RequestContext
  extends AppendContext,
    OpenContext,
    DevicesContext,
    InviteContext,
    BlockContext {
  readonly acquaintances: Acquaintances;
  readonly attention: AttentionBoard;
  readonly logs: LogStore;
}

/** Everything that is allowed after `welcome`, but the heartbeat. */
export type Request = Exclude<
  ClientFrame,
  { type: "hello" | "register" | "authenticate" | "link" | "ping" | "pong" }
>;

const BEFORE_WELCOME: ReadonlySet<ClientFrame["type"]> = new Set<ClientFrame["type"]>([
  "hello",
  "register",
  "authenticate",
  "link",
]);

export const isRequest = (frame: ClientFrame): frame is Request =>
  frame.type !== "ping" && frame.type !== "pong" && !BEFORE_WELCOME.has(frame.type);

/** The answer; null where there is none or where it was sent already. */
export async function answer(
  context: RequestContext,
  peer: Peer,
  frame: Request,
): Promise<RelayFrame | null> {
  const { conversations, presence, heat } = context;
  const about = "conversationId" in frame ? frame.conversationId : null;
  heat.requested(about ?? peer.userId);
  switch (frame.type) {
    case "append":
      context.metrics.count("appendRequests");
      return written(context, (done, failed) => new AppendJob(context, peer, frame, done, failed));
    case "moveCursors":
      return written(
        context,
        (done, failed) => new MoveCursorsJob(context, peer, frame, done, failed),
      );
    case "searchUsers": {
      const people = await context.people.search(frame.prefix, frame.limit);
      return { type: "people", requestId: frame.requestId, people };
    }
    case "openConversation": {
      const conversation = await openConversation(context, peer, frame.userId);
      return { type: "opened", requestId: frame.requestId, conversation };
    }
    case "getConversation": {
      const found = await conversations.ofReader(frame.conversationId, peer.userId);
      const conversation = await conversations.state(found, peer.userId);
      return { type: "opened", requestId: frame.requestId, conversation };
    }
    case "getEntries": {
      const { conversationId, requestId, fromSeq, limit } = frame;
      const found = await conversations.ofReader(conversationId, peer.userId);
      const page = await conversations.page(found, peer.userId, fromSeq, limit);
      return { type: "page", requestId, ...page };
    }
    case "getChanges": {
      const { after, limit, requestId } = frame;
      const changes = await changesFor(peer.userId, after, limit, context.logs, conversations);
      return { type: "changes", requestId, ...changes };
    }
    case "compareLog":
      return compareLog(context, peer, frame);
    case "watchPresence": {
      const states = await presence.watch(peer, frame.userIds);
      return { type: "presences", requestId: frame.requestId, states };
    }
    case "getPresence": {
      const states = await presence.states(peer.userId, frame.userIds);
      return { type: "presences", requestId: frame.requestId, states };
    }
    case "openPairing":
      context.pairings.open(peer, frame.place);
      return { type: "done", requestId: frame.requestId };
    case "closePairing":
      context.pairings.close(peer);
      return { type: "done", requestId: frame.requestId };
    case "addDevice":
      await addDevice(context, peer, frame.publicKey, frame.signature);
      return { type: "done", requestId: frame.requestId };
    case "removeDevice":
      await removeDevice(context, peer, frame.deviceId);
      return { type: "done", requestId: frame.requestId };
    case "getDevices": {
      const devices = await devicesOf(context, peer);
      return { type: "devices", requestId: frame.requestId, devices };
    }
    case "createGroup":
      return createGroup(context, peer, frame);
    case "changeMembership":
      return changeMembership(context, peer, frame);
    case "createInvite":
      return createInvite(context, peer, frame);
    case "getInvites":
      return getInvites(context, peer, frame);
    case "revokeInvite":
      return revokeInvite(context, peer, frame);
    case "getInvitation":
      return getInvitation(context, peer, frame);
    case "join":
      return join(context, peer, frame);
    case "block":
      await setBlocked(context, peer, frame.userId, frame.blocked);
      return { type: "done", requestId: frame.requestId };
    case "typing":
      await typing(context, peer, frame);
      return null;
    case "attention":
      context.attention.set(peer, frame);
      return null;
    case "signal":
      await signal(context, peer, frame.deviceId, frame.payload);
      return { type: "done", requestId: frame.requestId };
  }
}

function written(
  { commit }: RequestContext,
  job: (done: () => void, failed: (error: DovetailError) => void) => WriteJob,
): Promise<null> {
  return new Promise((resolve, reject) => commit.submit(job(() => resolve(null), reject)));
}

async function typing(
  { conversations, connections, acquaintances }: RequestContext,
  peer: Peer,
  { conversationId, active }: Extract<ClientFrame, { type: "typing" }>,
): Promise<void> {
  const { userId } = peer;
  const { members } = await conversations.ofMember(conversationId, userId);
  // Worth less to a crowd than telling each of it would cost.
  if (members.length > MAX_RECEIPT_MEMBERS) return;
  const blocked = await acquaintances.blockedBy(userId);
  const told = members.filter((member) => !blocked.has(member));
  connections.push(told, { type: "typing", conversationId, userId, active }, peer);
}
