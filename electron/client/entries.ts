/** The changes that bring entries into the profile and move them to their place in the log. */
import {
  type ConversationId,
  type DeviceId,
  messageIdOf,
  type Origin,
  type UserId,
} from "../../shared/ids.js";
import type { Write } from "../../shared/key-value.js";
import { MAX_HOLDERS } from "../../shared/limits.js";
import { isMembershipN } from "../../shared/membership.js";
import type { Membership, Rights } from "../../shared/protocol.js";
import { type Body, encodeContent } from "./content.js";
import { announce, type Core, putStamp, putTail, reachStamp, unchanged } from "./core.js";
import { find, logAt } from "./find.js";
import type { Found, Logged } from "./found.js";
import { readClock } from "./hlc.js";
import type { Change } from "./journal.js";
import { Revision } from "./revision.js";
import { clockRow, keys, type LogRow, logRow, originRow } from "./rows.js";
import { type Conversation, readTail, replace, sameOrigin, type TailEntry } from "./state.js";
import { toldWriting } from "./untold.js";
import { messageOf } from "./views.js";

/** Queues an own entry: durable in one batch with the history before anybody hears of it. */
export async function addOwn(
  core: Core,
  conversationId: ConversationId,
  body: Body,
  ttl = 0,
): Promise<Change<Origin>> {
  const { state } = core;
  const conversation = state.conversation(conversationId);
  const { userId, deviceId } = state.self;
  const at = core.ports.clock.now();
  const n = conversation.row.nextN;
  // However far a device of this user was ahead: what one changes on this device now stays so.
  const changed = await lastWriting(core, conversation, body);
  if (changed) core.hlc.resume(readClock(changed));
  const clock = core.hlc.next();
  const entry = readTail({
    ...{ userId, deviceId, n, ttl, at },
    seq: 0,
    direct: false,
    floor: "none",
    read: true,
    signature: null,
    heldBy: [],
    marks: null,
    payload: encodeContent({ clock, sentAt: at, body }),
  });
  const revision = new Revision(core, conversation);
  revision.row = { ...revision.row, nextN: n + 1 };
  await revision.add(entry);
  return {
    writes: [...revision.writes, { type: "put", key: keys.clock, value: clockRow.encode(clock) }],
    apply() {
      revision.apply();
      return { deviceId, n };
    },
  };
}

/** With what this user last wrote what the entry is to change; null where it never did. */
async function lastWriting(
  core: Core,
  conversation: Conversation,
  body: Body,
): Promise<string | null> {
  const { state } = core;
  switch (body.type) {
    case "draft": {
      const draft = state.conversations.get(body.conversationId)?.draft;
      return (draft && toldWriting(draft)) || null;
    }
    case "flag":
      return state.conversations.get(body.conversationId)?.flags.get(body.flag)?.writing ?? null;
    case "star":
      return state.stars.get(messageIdOf(body.conversationId, body.target))?.writing ?? null;
    case "block":
      return state.blocks.get(body.userId)?.at(-1)?.writing ?? null;
    case "edit":
    case "react": {
      const found = await find(core, conversation, body.target);
      const marks = found?.kind === "log" ? found.row.marks : found?.entry.marks;
      if (body.type === "edit") return marks?.edit?.writing ?? null;
      const own = marks?.reactions.find(({ userId }) => userId === state.self.userId);
      return own?.writing ?? null;
    }
    default:
      return null;
  }
}

export interface DirectEntry extends Origin {
  readonly userId: UserId;
  readonly ttl: number;
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
}

/**
 * Stores an entry that came over a direct channel. Doubles change nothing. To be flushed before it
 * is acknowledged.
 */
export async function addDirect(
  core: Core,
  conversationId: ConversationId,
  entry: DirectEntry,
): Promise<Change<void>> {
  const { state } = core;
  const conversation = state.conversation(conversationId);
  if (
    conversation.tail.some((known) => sameOrigin(known, entry)) ||
    (await core.ports.store.get(keys.origin(conversationId, entry)))
  ) {
    return unchanged(undefined);
  }
  const added = readTail({
    ...entry,
    seq: 0,
    at: core.ports.clock.now(),
    direct: true,
    floor: "none",
    read: entry.userId === state.self.userId,
    heldBy: [],
    marks: null,
  });
  const revision = new Revision(core, conversation);
  await revision.add(added);
  // Shown at once, acknowledged when flushed.
  return { writes: revision.writes, durable: false, apply: () => revision.apply() };
}

/** An entry as the relay tells of it; without payload where this device has it already. */
export interface RelayEntry extends Origin {
  readonly seq: number;
  readonly at: number;
  readonly rights: Rights;
  readonly userId?: UserId;
  readonly ttl?: number;
  readonly membership?: Membership | null;
  readonly payload?: Uint8Array;
}

/**
 * Appends entries to the stored log as far as they follow it without a hole, moving those that
 * stood in the tail. Beyond a hole only the head is noted; the caller sees `row.head > row.upTo` and
 * fetches what is missing. Entries that are stored already are passed over. With `quiet`, what is
 * new is not told message by message, only by how the conversation is now.
 */
export async function addSequenced(
  core: Core,
  conversationId: ConversationId,
  entries: readonly RelayEntry[],
  { stamp, quiet = false }: { stamp?: number | undefined; quiet?: boolean } = {},
): Promise<Change<void>> {
  const { state } = core;
  const conversation = state.conversation(conversationId);
  const revision = new Revision(core, conversation, quiet);
  const placed = new Set<TailEntry>();
  let steps = 0;
  for (const entry of entries) {
    if (entry.seq <= revision.row.upTo) continue;
    const pending = conversation.tail.find((known) => sameOrigin(known, entry));
    revision.row = { ...revision.row, head: Math.max(revision.row.head, entry.seq) };
    const userId = pending?.userId ?? entry.userId;
    const payload = entry.payload ?? pending?.payload;
    if (entry.seq > revision.row.upTo + 1 || !userId || !payload) {
      if (pending) {
        revision.placeLater(pending, entry.seq);
        steps++;
      }
      continue;
    }
    const { readUpTo } = revision.row;
    await revision.place(entry.seq, placedRow(entry, userId, payload, pending), pending);
    steps++;
    if (pending) placed.add(pending);
    if (revision.row.readUpTo > readUpTo) revision.countUnread(placed);
    if (entry.deviceId === state.self.deviceId && !isMembershipN(entry.n)) {
      // An own entry that this profile may not know: it was restored from an older copy.
      const nextN = Math.max(revision.row.nextN, entry.n + 1);
      revision.row = { ...revision.row, nextN };
    }
  }
  if (revision.row === conversation.row && steps === 0) {
    return { writes: putStamp(core, stamp), durable: false, apply: () => reachStamp(core, stamp) };
  }
  return {
    writes: [...revision.writes, ...putStamp(core, stamp)],
    // The relay has them for certain, and the position that asks for them again is lost with them.
    durable: false,
    apply() {
      reachStamp(core, stamp);
      revision.apply();
    },
  };
}

const placedRow = (
  { deviceId, n, at, ttl, rights, membership }: RelayEntry,
  userId: UserId,
  payload: Uint8Array,
  pending: TailEntry | undefined,
): LogRow => ({
  ...{ userId, deviceId, n, at, payload },
  ttl: ttl ?? pending?.ttl ?? 0,
  direct: pending?.direct ?? false,
  floor: pending?.floor ?? "none",
  marks: null,
  rights,
  membership: membership ?? null,
});

/**
 * The relay has nothing for this user between what is stored here and that place: it keeps no more,
 * or the user was not a member.
 */
export function skipTo(core: Core, conversationId: ConversationId, upTo: number): Change<void> {
  const conversation = core.state.conversation(conversationId);
  if (upTo <= conversation.row.upTo) return unchanged(undefined);
  const revision = new Revision(core, conversation);
  revision.row = { ...revision.row, upTo, head: Math.max(revision.row.head, upTo) };
  return {
    writes: revision.writes,
    durable: false,
    apply() {
      conversation.newest = null;
      revision.apply();
    },
  };
}

const putLog = (conversationId: ConversationId, { seq, row, shown }: Logged): Write => ({
  type: "put",
  key: shown ? keys.shown(conversationId, seq) : keys.quiet(conversationId, seq),
  value: logRow.encode(row),
});

/** Tells of a change of a message, if it is one that is shown. */
export function tell(core: Core, conversation: Conversation, found: Found): void {
  const { state, events } = core;
  const entry = found.kind === "log" ? found.row : found.entry;
  const shown = found.kind === "log" ? found.shown : found.entry.shown;
  if (!shown || state.isHidden(conversation.row, entry)) return;
  events.emit("message.updated", messageOf(state, conversation, found));
}

/** A device told directly that it has stored own entries. */
export async function holdOwn(
  core: Core,
  conversationId: ConversationId,
  ns: readonly number[],
  holder: { readonly userId: UserId; readonly deviceId: DeviceId },
): Promise<Change<void>> {
  const { state } = core;
  const conversation = state.conversation(conversationId);
  const { deviceId } = state.self;
  const others = state.others(conversation.row);
  const held = conversation.tail
    .filter((entry) => entry.deviceId === deviceId && ns.includes(entry.n))
    .filter((entry) => !entry.heldBy.some((known) => known.deviceId === holder.deviceId))
    .filter((entry) => entry.heldBy.length < MAX_HOLDERS)
    .map((entry): TailEntry => {
      const heldBy = [...entry.heldBy, holder];
      const everybody = others.every((userId) => heldBy.some((known) => known.userId === userId));
      return {
        ...entry,
        heldBy,
        direct: entry.direct || (entry.seq === 0 && holder.userId !== state.self.userId),
        floor: entry.floor === "none" && everybody ? "delivered" : entry.floor,
      };
    });
  // The log was faster than the word of the only recipient, whose cursor may take a while.
  const logged = others.length === 1 ? await loggedOwn(core, conversation, ns) : [];
  return {
    writes: [
      ...held.map((entry) => putTail(conversationId, entry)),
      ...logged.map((each) => putLog(conversationId, each)),
    ],
    // What is lost of this is told again, by the direct channel or by a cursor.
    durable: false,
    apply() {
      for (const entry of held) {
        replace(conversation.tail, entry);
        tell(core, conversation, { kind: "tail", entry });
      }
      for (const each of logged) {
        if (each.seq === conversation.row.upTo) conversation.newest = each.row;
        if (each.seq === conversation.lastShown?.seq) conversation.lastShown = each;
        tell(core, conversation, each);
      }
      if (held.length + logged.length > 0) announce(core, conversation);
    },
  };
}

/** Those of the own entries that are in the log, as delivered; without those that were already. */
async function loggedOwn(
  core: Core,
  { row: { conversationId }, tail }: Conversation,
  ns: readonly number[],
): Promise<Logged[]> {
  const { deviceId } = core.state.self;
  const found: Logged[] = [];
  for (const n of ns) {
    if (tail.some((entry) => sameOrigin(entry, { deviceId, n }))) continue;
    const at = await core.ports.store.get(keys.origin(conversationId, { deviceId, n }));
    const seq = at ? originRow.decode(at) : 0;
    const logged = seq > 0 ? await logAt(core, conversationId, seq) : null;
    if (logged?.row.floor === "none") {
      found.push({ ...logged, row: { ...logged.row, floor: "delivered" } });
    }
  }
  return found;
}
