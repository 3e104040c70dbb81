/** The changes that bring entries into the profile and move them to their place in the log. */
import type { Message } from "../../shared/client-api.js";
import type { ConversationId, DeviceId, Origin, UserId } from "../../shared/ids.js";
import type { Write } from "../../shared/key-value.js";
import { decodeContent, encodeContent } from "./content.js";
import {
  announce,
  type Core,
  putConversation,
  putStamp,
  putTail,
  reachStamp,
  unchanged,
} from "./core.js";
import type { Change } from "./journal.js";
import {
  type ConversationRow,
  clockRow,
  keys,
  type LogRow,
  logRow,
  MAX_UNREAD,
  originRow,
} from "./rows.js";
import {
  type Conversation,
  insert,
  readTail,
  remove,
  replace,
  sameOrigin,
  type TailEntry,
} from "./state.js";
import { logMessage, tailMessage } from "./views.js";

/** Queues an own text: durable in one batch with the history before anybody hears of it. */
export function addOwn(core: Core, conversationId: ConversationId, text: string): Change<Message> {
  const { state } = core;
  const conversation = state.conversation(conversationId);
  const { userId, deviceId } = state.self;
  const at = core.ports.clock.now();
  const n = conversation.row.nextN;
  const clock = core.hlc.next();
  const entry = readTail({
    userId,
    deviceId,
    n,
    seq: 0,
    at,
    direct: false,
    floor: "none",
    read: true,
    signature: null,
    heldBy: [],
    payload: encodeContent({ clock, sentAt: at, text }),
  });
  const activity = Math.max(conversation.row.activity, at);
  const row = { ...conversation.row, nextN: n + 1, activity };
  return {
    writes: [
      putConversation(row),
      putTail(conversationId, entry),
      { type: "put", key: keys.clock, value: clockRow.encode(clock) },
    ],
    apply() {
      conversation.row = row;
      insert(conversation.tail, entry);
      const message = tailMessage(state, row, entry);
      core.events.emit("message.added", message);
      announce(core, conversation);
      return message;
    },
  };
}

export interface DirectEntry extends Origin {
  readonly userId: UserId;
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
  const at = core.ports.clock.now();
  const own = entry.userId === state.self.userId;
  const added = readTail({
    ...entry,
    seq: 0,
    at,
    direct: true,
    floor: "none",
    read: own,
    heldBy: [],
  });
  const row = {
    ...conversation.row,
    unread: Math.min(MAX_UNREAD, conversation.row.unread + (own ? 0 : 1)),
    activity: Math.max(conversation.row.activity, at),
  };
  return {
    writes: [putConversation(row), putTail(conversationId, added)],
    // Shown at once, acknowledged when flushed.
    durable: false,
    apply() {
      conversation.row = row;
      insert(conversation.tail, added);
      core.hlc.see(added.content.clock);
      core.events.emit("message.added", tailMessage(state, row, added));
      announce(core, conversation);
    },
  };
}

/** An entry as the relay tells of it; without payload where this device has it already. */
export interface RelayEntry extends Origin {
  readonly seq: number;
  readonly at: number;
  readonly userId?: UserId;
  readonly payload?: Uint8Array;
}

/** Where one entry of the relay leads. */
type Step =
  | {
      readonly kind: "next";
      readonly seq: number;
      readonly row: LogRow;
      readonly pending: TailEntry | undefined;
    }
  | { readonly kind: "later"; readonly placed: TailEntry };

/**
 * Appends entries to the stored log as far as they follow it without a hole, moving those that
 * stood in the tail. Beyond a hole only the head is noted; the caller sees `row.head > row.upTo` and
 * fetches what is missing. Entries that are stored already are passed over.
 */
export function addSequenced(
  core: Core,
  conversationId: ConversationId,
  entries: readonly RelayEntry[],
  stamp?: number,
): Change<void> {
  const { state } = core;
  const conversation = state.conversation(conversationId);
  const self = state.self;
  let row: ConversationRow = conversation.row;
  const steps: Step[] = [];
  const placed = new Set<TailEntry>();
  for (const entry of entries) {
    if (entry.seq <= row.upTo) continue;
    const pending = conversation.tail.find((known) => sameOrigin(known, entry));
    row = { ...row, head: Math.max(row.head, entry.seq) };
    const userId = pending?.userId ?? entry.userId;
    const payload = entry.payload ?? pending?.payload;
    if (entry.seq > row.upTo + 1 || !userId || !payload) {
      if (pending) steps.push({ kind: "later", placed: { ...pending, seq: entry.seq } });
      continue;
    }
    const { readUpTo } = row;
    row = follow(row, entry, userId === self.userId, pending);
    if (pending) placed.add(pending);
    if (row.readUpTo > readUpTo) {
      // It stands at the end of the log, so what is unread stands after it: in the tail.
      const unread = conversation.tail.filter(
        (known) => known.userId !== self.userId && !known.read && !placed.has(known),
      );
      row = { ...row, unread: Math.min(MAX_UNREAD, unread.length) };
    }
    if (entry.deviceId === self.deviceId) {
      // An own entry that this profile does not know: it was restored from an older copy.
      row = { ...row, nextN: Math.max(row.nextN, entry.n + 1) };
    }
    const { deviceId, n, at } = entry;
    const direct = pending?.direct ?? false;
    const floor = pending?.floor ?? "none";
    steps.push({
      kind: "next",
      seq: entry.seq,
      row: { userId, deviceId, n, at, direct, floor, payload },
      pending,
    });
  }
  if (row === conversation.row && steps.length === 0) {
    return { writes: putStamp(core, stamp), durable: false, apply: () => reachStamp(core, stamp) };
  }
  const writes = steps.flatMap((step) => writesOf(conversationId, step));
  return {
    writes: [...writes, putConversation(row), ...putStamp(core, stamp)],
    // The relay has them for certain, and the position that asks for them again is lost with them.
    durable: false,
    apply() {
      conversation.row = row;
      reachStamp(core, stamp);
      for (const step of steps) {
        if (step.kind === "later") {
          replace(conversation.tail, step.placed);
          core.events.emit("message.updated", tailMessage(state, row, step.placed));
          continue;
        }
        if (step.pending) remove(conversation.tail, step.pending);
        conversation.newest = step.row;
        if (step.row.userId !== self.userId) conversation.heardUpTo = step.seq;
        const message = logMessage(state, row, step.seq, step.row);
        core.hlc.see(decodeContent(step.row.payload, step.row.at).clock);
        core.events.emit(step.pending ? "message.updated" : "message.added", message);
      }
      announce(core, conversation);
    },
  };
}

/** The conversation after the entry that follows its stored log. */
function follow(
  row: ConversationRow,
  entry: RelayEntry,
  mine: boolean,
  pending: TailEntry | undefined,
): ConversationRow {
  // Read while it stood in the tail: now the cursor can say so.
  const readUpTo = !mine && pending?.read ? Math.max(row.readUpTo, entry.seq) : row.readUpTo;
  const counted = Number(!mine && pending !== undefined && !pending.read);
  const unread = row.unread - counted + Number(!mine && entry.seq > readUpTo);
  return {
    ...row,
    upTo: entry.seq,
    readUpTo,
    unread: Math.max(0, Math.min(MAX_UNREAD, unread)),
    activity: pending ? row.activity : Math.max(row.activity, entry.at),
  };
}

const putLog = (conversationId: ConversationId, seq: number, row: LogRow): Write => ({
  type: "put",
  key: keys.log(conversationId, seq),
  value: logRow.encode(row),
});

function writesOf(conversationId: ConversationId, step: Step): Write[] {
  if (step.kind === "later") return [putTail(conversationId, step.placed)];
  const { seq, row, pending } = step;
  const writes: Write[] = [
    putLog(conversationId, seq, row),
    { type: "put", key: keys.origin(conversationId, row), value: originRow.encode(seq) },
  ];
  if (pending) writes.push({ type: "del", key: keys.tail(conversationId, pending) });
  return writes;
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
      ...logged.map(({ seq, row }) => putLog(conversationId, seq, row)),
    ],
    // What is lost of this is told again, by the direct channel or by a cursor.
    durable: false,
    apply() {
      for (const entry of held) {
        replace(conversation.tail, entry);
        core.events.emit("message.updated", tailMessage(state, conversation.row, entry));
      }
      for (const { seq, row } of logged) {
        if (seq === conversation.row.upTo) conversation.newest = row;
        core.events.emit("message.updated", logMessage(state, conversation.row, seq, row));
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
): Promise<{ seq: number; row: LogRow }[]> {
  const { deviceId } = core.state.self;
  const found: { seq: number; row: LogRow }[] = [];
  for (const n of ns) {
    if (tail.some((entry) => sameOrigin(entry, { deviceId, n }))) continue;
    const at = await core.ports.store.get(keys.origin(conversationId, { deviceId, n }));
    const seq = at ? originRow.decode(at) : 0;
    const stored = seq > 0 && (await core.ports.store.get(keys.log(conversationId, seq)));
    const row = stored ? logRow.decode(stored) : null;
    if (row?.floor === "none") found.push({ seq, row: { ...row, floor: "delivered" } });
  }
  return found;
}
