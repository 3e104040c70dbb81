/** Cursors: how far the users of a conversation have come. */
import type { Message } from "../../shared/client-api.js";
import { DovetailError } from "../../shared/errors.js";
import type { ConversationId, DeviceId, MessageId, UserId } from "../../shared/ids.js";
import { parseMessageId } from "../../shared/ids.js";
import { decodeContent, isWritten } from "./content.js";
import {
  announce,
  type Core,
  putConversation,
  putStamp,
  putTail,
  reachStamp,
  unchanged,
} from "./core.js";
import { tell } from "./entries.js";
import type { Change } from "./journal.js";
import { membershipWrites } from "./membership.js";
import {
  type ConversationRow,
  keys,
  logRow,
  MAX_UNREAD,
  type Marks,
  type MemberRow,
  originRow,
  seqOfKey,
} from "./rows.js";
import { type Conversation, replace, sameOrigin, type TailEntry } from "./state.js";
import { messageOf } from "./views.js";

/** Own messages whose state is told anew when somebody's cursor moves over them: what may be on a screen. */
const MAX_RETOLD = 500;

type Moved = Omit<MemberRow, "admin">;

/** A page of rows from the store; the log is long. */
const COUNT_PAGE = 250;

/** {@link moveMembers} for one. */
export const moveMember = (
  core: Core,
  conversationId: ConversationId,
  moved: Moved,
  stamp?: number,
): Promise<Change<void>> => moveMembers(core, conversationId, [moved], stamp);

/** The cursors of members, as the relay tells them. Those that would run back are passed over. */
export async function moveMembers(
  core: Core,
  conversationId: ConversationId,
  moved: readonly Moved[],
  stamp?: number,
): Promise<Change<void>> {
  const { state } = core;
  const conversation = state.conversation(conversationId);
  const after = advanced(conversation.row.members, moved);
  if (after.size === 0) {
    return { writes: putStamp(core, stamp), durable: false, apply: () => reachStamp(core, stamp) };
  }
  let row: ConversationRow = {
    ...conversation.row,
    members: conversation.row.members.map((member) => after.get(member) ?? member),
  };
  const isOwn = ({ userId }: MemberRow): boolean => userId === state.self.userId;
  const own = [...after.values()].find(isOwn);
  if (own && own.readUpTo > row.readUpTo) {
    row = await readUpTo(core, { ...conversation, row }, own.readUpTo);
  }
  const others = [...after].filter(([before]) => !isOwn(before));
  const from = Math.min(...others.map(([before]) => Math.min(...cursorsOf(before)))) + 1;
  const to = Math.max(...others.map(([, now]) => Math.max(...cursorsOf(now))));
  const retold =
    others.length === 0 ? [] : await ownBetween(core, { ...conversation, row }, from, to);
  return {
    writes: [putConversation(row), ...membershipWrites(row), ...putStamp(core, stamp)],
    // The relay keeps cursors; what is lost of them here it tells again.
    durable: false,
    apply() {
      conversation.row = row;
      reachStamp(core, stamp);
      for (const message of retold) core.events.emit("message.updated", message);
      announce(core, conversation);
    },
  };
}

const cursorsOf = ({ deliveredUpTo, readUpTo }: MemberRow) => [deliveredUpTo, readUpTo] as const;

/** Each member who has come further, as they were and as they are then. */
function advanced(
  members: readonly MemberRow[],
  moved: readonly Moved[],
): ReadonlyMap<MemberRow, MemberRow> {
  const told = new Map(moved.map((each) => [each.userId, each]));
  const after = new Map<MemberRow, MemberRow>();
  for (const member of members) {
    const cursors = told.get(member.userId);
    if (!cursors) continue;
    const deliveredUpTo = Math.max(member.deliveredUpTo, cursors.deliveredUpTo);
    const readUpTo = Math.max(member.readUpTo, cursors.readUpTo);
    if (deliveredUpTo === member.deliveredUpTo && readUpTo === member.readUpTo) continue;
    after.set(member, { ...member, deliveredUpTo, readUpTo });
  }
  return after;
}

async function ownBetween(
  core: Core,
  conversation: Conversation,
  from: number,
  to: number,
): Promise<Message[]> {
  const { row } = conversation;
  const last = Math.min(to, row.upTo);
  const first = Math.max(from, last - MAX_RETOLD + 1);
  if (first > last) return [];
  const rows = await core.ports.store.range({
    from: keys.shown(row.conversationId, first),
    to: keys.shown(row.conversationId, last + 1),
  });
  return rows
    .map(({ key, value }) => ({ seq: seqOfKey(key), row: logRow.decode(value) }))
    .filter(({ row: entry }) => entry.userId === core.state.self.userId)
    .map((each) => messageOf(core.state, conversation, { kind: "log", ...each, shown: true }));
}

/** The row with the own read cursor moved and what is unread counted again. */
export async function readUpTo(
  core: Core,
  { row, tail }: Conversation,
  seq: number,
): Promise<ConversationRow> {
  const self = core.state.self.userId;
  const counts = (entry: {
    userId: UserId;
    deviceId: DeviceId;
    n: number;
    at: number;
    payload: Uint8Array;
    marks: Marks | null;
  }) =>
    entry.userId !== self &&
    !entry.marks?.deleted &&
    isWritten(decodeContent(entry.payload, entry.at).body) &&
    !core.state.isHidden(row, entry);
  let unread = tail.filter((entry) => !entry.read && counts(entry)).length;
  for (let at = seq + 1; at <= row.upTo && unread < MAX_UNREAD; at += COUNT_PAGE) {
    const page = await core.ports.store.range({
      from: keys.shown(row.conversationId, at),
      to: keys.shown(row.conversationId, Math.min(at + COUNT_PAGE, row.upTo + 1)),
    });
    unread += page.filter(({ value }) => counts(logRow.decode(value))).length;
  }
  const mentioned = unread > 0 && row.mentioned;
  return { ...row, readUpTo: seq, unread: Math.min(MAX_UNREAD, unread), mentioned };
}

export interface ReadMark {
  /** Entries of the tail that became read. */
  readonly origins: readonly { readonly deviceId: DeviceId; readonly n: number }[];
  readonly readUpTo: number;
}

/**
 * This user has read up to and including a message: everything that is shown before it too.
 * @throws DovetailError `not_found`.
 */
export async function markRead(
  core: Core,
  conversationId: ConversationId,
  messageId: MessageId,
): Promise<Change<ReadMark | null>> {
  const { state } = core;
  const conversation = state.conversation(conversationId);
  const { seq, index } = await locate(core, conversation, messageId);
  const upTo = Math.max(conversation.row.readUpTo, seq);
  const read = conversation.tail
    .slice(0, index + 1)
    .filter((entry) => entry.userId !== state.self.userId && !entry.read)
    .map((entry): TailEntry => ({ ...entry, read: true }));
  if (upTo === conversation.row.readUpTo && read.length === 0) return unchanged(null);
  const tail = conversation.tail.map(
    (entry) => read.find((changed) => sameOrigin(changed, entry)) ?? entry,
  );
  const row = await readUpTo(core, { ...conversation, tail }, upTo);
  return {
    writes: [putConversation(row), ...read.map((entry) => putTail(conversationId, entry))],
    apply() {
      conversation.row = row;
      for (const entry of read) replace(conversation.tail, entry);
      announce(core, conversation);
      return { origins: read, readUpTo: upTo };
    },
  };
}

/**
 * Where a message stands: `seq` is the last place of the log at or before it, `index` its place in
 * the tail, −1 when it is in the log.
 * @throws DovetailError `not_found`.
 */
export async function locate(
  core: Core,
  conversation: Conversation,
  messageId: MessageId,
  /** The conversation as it was when the question came up. */
  { upTo, tail }: { readonly upTo: number; readonly tail: readonly TailEntry[] } = {
    upTo: conversation.row.upTo,
    tail: conversation.tail,
  },
): Promise<{ seq: number; index: number }> {
  const parsed = parseMessageId(messageId);
  if (parsed?.conversationId === conversation.row.conversationId) {
    const index = tail.findIndex((entry) => sameOrigin(entry, parsed.origin));
    if (index >= 0) return { seq: upTo, index };
    const stored = await core.ports.store.get(keys.origin(parsed.conversationId, parsed.origin));
    if (stored) return { seq: originRow.decode(stored), index: -1 };
  }
  throw new DovetailError("not_found", "There is no such message in this conversation.");
}

/**
 * Whether a member's cursor may be moved to an entry that came to it directly: those between may not
 * have come, as when it missed the log and declined them.
 */
async function holdsAllUpTo(
  core: Core,
  { row }: Conversation,
  member: UserId,
  seq: number,
): Promise<boolean> {
  const from = (row.members.find(({ userId }) => userId === member)?.deliveredUpTo ?? 0) + 1;
  if (seq - from > MAX_RETOLD) return false;
  const between = await core.ports.store.range({
    from: keys.shown(row.conversationId, from),
    to: keys.shown(row.conversationId, Math.max(from, seq)),
  });
  return between
    .map(({ value }) => logRow.decode(value))
    .every((entry) => entry.userId === member || entry.floor !== "none");
}

/**
 * A peer told directly that its user has read this device's entries up to that n. Those that have
 * their place by now are the cursor's affair, which this moves.
 */
export async function readDirectly(
  core: Core,
  conversationId: ConversationId,
  reader: UserId,
  upToN: number,
): Promise<Change<void>> {
  const { state } = core;
  const conversation = state.conversation(conversationId);
  const { deviceId } = state.self;
  const placed = await core.ports.store.get(keys.origin(conversationId, { deviceId, n: upToN }));
  if (placed) {
    const seq = originRow.decode(placed);
    if (!(await holdsAllUpTo(core, conversation, reader, seq))) return unchanged(undefined);
    const cursor = { userId: reader, deliveredUpTo: seq, readUpTo: seq };
    return moveMember(core, conversationId, cursor);
  }
  // A floor speaks for all recipients, so one reader's word is enough only where there is one.
  const others = state.others(conversation.row);
  const alone = others.length === 1 && others[0] === reader;
  // Earlier ones may have been declined there: only what it is known to have stored can be read.
  const stored = (entry: TailEntry) =>
    entry.n === upToN ||
    (entry.n < upToN && entry.heldBy.some((holder) => holder.userId === reader));
  const read = conversation.tail
    .filter((entry) => alone && entry.deviceId === deviceId && stored(entry))
    .filter((entry) => entry.floor !== "read")
    .map((entry): TailEntry => ({ ...entry, floor: "read" }));
  return {
    writes: read.map((entry) => putTail(conversationId, entry)),
    durable: false,
    apply() {
      for (const entry of read) {
        replace(conversation.tail, entry);
        tell(core, conversation, { kind: "tail", entry });
      }
      if (read.length > 0) announce(core, conversation);
    },
  };
}
