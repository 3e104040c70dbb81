/** From what is stored to what the client API shows. */
import type * as api from "../../shared/client-api.js";
import { messageIdOf, type UserId } from "../../shared/ids.js";
import { decodeContent } from "./content.js";
import { clockText } from "./hlc.js";
import type { ConversationRow, Floor, LogRow } from "./rows.js";
import type { ClientState, Conversation, TailEntry } from "./state.js";

const handleOf = (state: ClientState, userId: UserId): string =>
  userId === state.account?.userId
    ? state.account.handle
    : (state.people.get(userId)?.handle ?? "unknown");

/** What the recipients have done with an own entry. `seq` is 0 while it has none. */
function ownState(
  state: ClientState,
  row: ConversationRow,
  entry: { readonly seq: number; readonly floor: Floor; readonly held: boolean },
): api.MessageState {
  const self = state.account?.userId;
  const others = row.members.filter((member) => member.userId !== self);
  if (others.length > 0) {
    const all = (cursor: "deliveredUpTo" | "readUpTo") =>
      entry.seq > 0 && others.every((member) => member[cursor] >= entry.seq);
    if (entry.floor === "read" || all("readUpTo")) return "read";
    if (entry.floor === "delivered" || all("deliveredUpTo")) return "delivered";
  }
  return entry.seq > 0 || entry.held ? "sent" : "queued";
}

export function logMessage(
  state: ClientState,
  row: ConversationRow,
  seq: number,
  entry: LogRow,
): api.Message {
  const mine = entry.userId === state.account?.userId;
  const content = decodeContent(entry.payload, entry.at);
  return {
    messageId: messageIdOf(row.conversationId, entry),
    conversationId: row.conversationId,
    seq,
    clock: clockText(content.clock),
    from: handleOf(state, entry.userId),
    mine,
    text: content.text,
    sentAt: content.sentAt,
    state: mine
      ? ownState(state, row, { seq, floor: entry.floor, held: true })
      : seq <= row.readUpTo
        ? "read"
        : "delivered",
    path: entry.direct ? "direct" : "relay",
  };
}

export function tailMessage(
  state: ClientState,
  row: ConversationRow,
  entry: TailEntry,
): api.Message {
  const self = state.account?.userId;
  const mine = entry.userId === self;
  return {
    messageId: messageIdOf(row.conversationId, entry),
    conversationId: row.conversationId,
    // Not told before those are here that stand between: see the order of the tail.
    seq: null,
    clock: entry.clock,
    from: handleOf(state, entry.userId),
    mine,
    text: entry.content.text,
    sentAt: entry.content.sentAt,
    state: mine
      ? ownState(state, row, { ...entry, held: entry.heldBy.some(({ userId }) => userId !== self) })
      : entry.read
        ? "read"
        : "delivered",
    path: entry.direct ? "direct" : "relay",
  };
}

function lastMessage(state: ClientState, { row, tail, newest }: Conversation): api.Message | null {
  const last = tail.at(-1);
  if (last) return tailMessage(state, row, last);
  return newest ? logMessage(state, row, row.upTo, newest) : null;
}

export function conversationView(state: ClientState, conversation: Conversation): api.Conversation {
  const { row } = conversation;
  const members = state.others(row).map((userId) => ({
    userId,
    handle: handleOf(state, userId),
    displayName: state.people.get(userId)?.displayName ?? "",
  }));
  return {
    conversationId: row.conversationId,
    kind: row.kind,
    title: members[0]?.displayName ?? state.account?.displayName ?? "",
    members,
    lastMessage: lastMessage(state, conversation),
    unread: row.unread,
    behind: row.head - row.upTo,
    draft: conversation.draft,
  };
}
