/** From what is stored to what the client API shows. */
import type * as api from "../../shared/client-api.js";
import { messageIdOf } from "../../shared/ids.js";
import { type Content, decodeContent, type Flag, textOf } from "./content.js";
import type { Found } from "./found.js";
import { clockText } from "./hlc.js";
import { noticeOf } from "./notices.js";
import { personOf } from "./people.js";
import type { ConversationRow, Floor, Marks } from "./rows.js";
import { type ClientState, type Conversation, sameOrigin, type TailEntry } from "./state.js";

/** Members of a group that its view lists. */
const MAX_LISTED_MEMBERS = 20;

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

export function messageOf(
  state: ClientState,
  conversation: Conversation,
  found: Found,
): api.Message {
  const { row } = conversation;
  const { conversationId } = row;
  const self = state.account?.userId;
  const entry = found.kind === "log" ? found.row : found.entry;
  const content =
    found.kind === "log" ? decodeContent(entry.payload, entry.at) : found.entry.content;
  const mine = entry.userId === self;
  const author = personOf(state, entry.userId);
  const marks = entry.marks;
  const deleted = marks?.deleted ?? false;
  const text = deleted ? "" : (marks?.edit?.text ?? textOf(content.body));
  const messageId = messageIdOf(conversationId, entry);
  return {
    messageId,
    conversationId,
    // Of the tail not told before those are here that stand between: see the order of the tail.
    seq: found.kind === "log" ? found.seq : null,
    clock: clockText(content.clock),
    from: author.handle,
    fromName: author.displayName,
    mine,
    text,
    notice: noticeOf(state, entry.userId, content.body, found),
    replyTo: deleted ? null : quoteOf(state, conversation, content),
    forwarded: !deleted && content.body.type === "message" && content.body.forwarded,
    edited: !deleted && (marks?.edit ?? null) !== null,
    deleted,
    mentions: mentionsOf(state, row, text),
    reactions: reactionsOf(state, marks),
    starred: state.stars.get(messageId)?.on ?? false,
    pinned: conversation.pins.some((pin) => pin.on && sameOrigin(pin, entry)),
    expiresAt: expiryOf(state, found),
    sentAt: content.sentAt,
    state:
      found.kind === "log"
        ? mine
          ? ownState(state, row, { seq: found.seq, floor: found.row.floor, held: true })
          : found.seq <= row.readUpTo
            ? "read"
            : "delivered"
        : tailState(state, row, found.entry, mine),
    path: entry.direct ? "direct" : "relay",
  };
}

function tailState(
  state: ClientState,
  row: ConversationRow,
  entry: TailEntry,
  mine: boolean,
): api.MessageState {
  const self = state.account?.userId;
  if (!mine) return entry.read ? "read" : "delivered";
  const held = entry.heldBy.some(({ userId }) => userId !== self);
  return ownState(state, row, { seq: entry.seq, floor: entry.floor, held });
}

/** When an entry disappears, by this device's clock in milliseconds since 1970; null for never. */
export function expiryOf(state: ClientState, found: Found): number | null {
  // The place in the log was given by the relay's clock, the place in the tail by this device's.
  if (found.kind === "tail") {
    return found.entry.ttl > 0 ? found.entry.at + found.entry.ttl * 1000 : null;
  }
  return found.row.ttl > 0 ? found.row.at + found.row.ttl * 1000 - state.skew : null;
}

function quoteOf(state: ClientState, { row }: Conversation, { body }: Content): api.Quote | null {
  if (body.type !== "message" || !body.reply) return null;
  const { target, userId, excerpt } = body.reply;
  const { handle, displayName } = personOf(state, userId);
  const messageId = messageIdOf(row.conversationId, target);
  return { messageId, from: handle, fromName: displayName, excerpt };
}

function mentionsOf(state: ClientState, row: ConversationRow, text: string): api.UserSummary[] {
  if (!text.includes("@")) return [];
  const handles = new Set(text.toLowerCase().match(/(?<![a-z0-9_])@[a-z][a-z0-9_]{2,31}/g) ?? []);
  if (handles.size === 0) return [];
  return row.members
    .map(({ userId }) => personOf(state, userId))
    .filter(({ handle }) => handles.has(`@${handle}`));
}

function reactionsOf(state: ClientState, marks: Marks | null): api.Reaction[] {
  const given = (marks?.reactions ?? [])
    .filter(({ emoji }) => emoji !== "")
    .sort((a, b) => (a.writing < b.writing ? -1 : 1));
  const emojis = [...new Set(given.map(({ emoji }) => emoji))];
  return emojis.map((emoji) => {
    const by = given.filter((reaction) => reaction.emoji === emoji);
    return {
      emoji,
      by: by.map(({ userId }) => personOf(state, userId)),
      mine: by.some(({ userId }) => userId === state.account?.userId),
    };
  });
}

/** The notes stand in the list once one has used them: they carry other things from the start. */
export const isListed = ({ row, flags, lastShown, tail }: Conversation): boolean =>
  row.kind !== "notes" ||
  (flags.get("accepted")?.value ?? 0) > 0 ||
  lastShown !== null ||
  tail.some(({ shown }) => shown);

function lastMessage(state: ClientState, conversation: Conversation): api.Message | null {
  const { row, tail, lastShown } = conversation;
  const last = tail.findLast((entry) => entry.shown && !state.isHidden(row, entry));
  if (last) return messageOf(state, conversation, { kind: "tail", entry: last });
  if (!lastShown || state.isHidden(row, lastShown.row)) return null;
  return messageOf(state, conversation, { kind: "log", ...lastShown, shown: true });
}

export function conversationView(state: ClientState, conversation: Conversation): api.Conversation {
  const { row, flags, profile } = conversation;
  const others = state.others(row);
  const members = others.slice(0, MAX_LISTED_MEMBERS).map((userId) => personOf(state, userId));
  const value = (flag: Flag) => flags.get(flag)?.value ?? 0;
  const group = row.kind === "group";
  const own = state.own(row);
  const blocked = row.kind === "direct" && others.some((userId) => state.isBlocked(userId));
  const last = lastMessage(state, conversation);
  return {
    conversationId: row.conversationId,
    kind: row.kind,
    title: group
      ? (profile?.name ?? "")
      : (members[0]?.displayName ?? state.account?.displayName ?? ""),
    members,
    memberCount: row.members.length,
    role: group ? (own ? (own.admin ? "admin" : "member") : "none") : "member",
    restricted: row.restricted,
    description: profile?.description ?? "",
    picture: profile?.picture ?? "",
    lastMessage: last,
    timer: conversation.timer?.seconds ?? 0,
    pinned: value("pinned") > 0,
    archived: value("archived") > 0,
    mutedUntil: value("mutedUntil") || null,
    request:
      row.kind === "direct" &&
      !blocked &&
      last !== null &&
      !row.accepted &&
      value("accepted") === 0,
    blocked,
    unread: row.unread,
    mentioned: row.mentioned,
    behind: row.head - row.upTo,
    draft: conversation.draft?.text ?? "",
  };
}
