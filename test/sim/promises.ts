/** The promises of DESIGN's one order and nothing lost, as questions about what a device shows. */
import { decodeContent, isShown } from "../../electron/client/content.js";
import { MAX_UNREAD } from "../../electron/client/rows.js";
import type { Conversation, Message, MessageState } from "../../shared/client-api.js";
import {
  type ConversationId,
  type MessageId,
  messageIdOf,
  parseMessageId,
} from "../../shared/ids.js";
import { isMembershipN } from "../../shared/membership.js";
import { compareMessages } from "../../shared/message-order.js";
import type { SequencedEntry } from "../../shared/protocol.js";

export const RANK: Record<MessageState, number> = { queued: 0, sent: 1, delivered: 2, read: 3 };

/** A text for a line of a report: all are unlike in their first word. */
export const brief = (text: string): string => text.split(" ", 1)[0] as string;

/** What a device was asked to send, in the order of asking. */
export interface Asked {
  readonly conversationId: ConversationId;
  readonly text: string;
  /** Null where it was not acknowledged. */
  readonly messageId: MessageId | null;
  readonly refused: { readonly code: string } | null;
}

/** A device, as somebody outside knows it. */
export interface Witness {
  /** Its user's. */
  readonly handle: string;
  readonly sent: readonly Asked[];
  /** Messages whose reading was acknowledged to it. */
  readonly read: ReadonlySet<MessageId>;
}

/** By seq, then by clock; and each device's own in the order in which it sent them. */
export function orderFaults(list: readonly Message[]): string[] {
  const faults: string[] = [];
  const lastN = new Map<string, number>();
  for (const [i, message] of list.entries()) {
    const next = list[i + 1];
    if (next && compareMessages(message, next) >= 0) {
      faults.push(`shows ${brief(next.text)} after ${brief(message.text)}`);
    }
    const { deviceId, n } = parseMessageId(message.messageId)?.origin ?? { deviceId: "", n: 0 };
    // Changes of members have numbers of their own.
    if (isMembershipN(n)) continue;
    if (n <= (lastN.get(deviceId) ?? 0)) {
      faults.push(`shows ${brief(message.text)} after a later one`);
    }
    lastN.set(deviceId, n);
  }
  return faults;
}

/** An entry of the relay's log, and whether it is a line of the history. */
export interface LogPlace {
  readonly messageId: MessageId;
  readonly seq: number;
  readonly shown: boolean;
}

export const placeOf = (
  id: ConversationId,
  { seq, deviceId, n, at, payload }: Omit<SequencedEntry, "userId" | "ttl" | "membership">,
): LogPlace => ({
  messageId: messageIdOf(id, { deviceId, n }),
  seq,
  shown: isShown(decodeContent(payload, at).body),
});

/** A log has no holes. */
export const holeFaults = (log: readonly LogPlace[]): string[] =>
  log.filter(({ seq }, i) => seq !== i + 1).map(({ seq }) => `the log has a hole before ${seq}`);

/**
 * Nothing missing, nothing doubled, nothing invented, everything in its place and delivered. `log`
 * is what the relay has that this device may have; `alone` says that there is nobody else to deliver to.
 */
export function logFaults(
  list: readonly Message[],
  log: readonly LogPlace[],
  { alone }: { alone: boolean },
): string[] {
  const faults = orderFaults(list);
  const ids = new Set(log.map(({ messageId }) => messageId));
  if (ids.size !== log.length) faults.push("the log has an entry twice");
  const lines = log.filter(({ shown }) => shown);
  if (
    list.map(({ messageId }) => messageId).join() !== lines.map((each) => each.messageId).join()
  ) {
    faults.push(`has ${list.length} messages where the log has ${lines.length}`);
  }
  const final = alone ? RANK.sent : RANK.delivered;
  for (const [i, { seq, mine, state, text }] of list.entries()) {
    const place = lines[i]?.seq ?? null;
    if (seq !== place) faults.push(`has ${brief(text)} at ${seq}, not ${place}`);
    if (mine && RANK[state] < final) faults.push(`${brief(text)} is still ${state}`);
  }
  return faults;
}

/** What was acknowledged is there once, in the order of sending; what was not is there perhaps. */
export function sentFaults(
  { sent }: Witness,
  conversationId: ConversationId,
  own: readonly Message[],
): string[] {
  const faults: string[] = [];
  const asked = sent.filter((each) => each.conversationId === conversationId);
  const texts = own.map(({ text }) => text);
  const shown = new Set(texts);
  const ids = new Set(own.map(({ messageId }) => messageId));
  if (shown.size !== texts.length) faults.push("sent something twice");
  const expected = asked.filter(({ text, messageId }) => messageId || shown.has(text));
  const differs = expected.findIndex(({ text }, i) => text !== texts[i]);
  if (expected.length !== texts.length || differs >= 0) {
    const at = differs >= 0 ? differs : Math.min(expected.length, texts.length);
    const around = (all: readonly string[]) => all.slice(Math.max(0, at - 2), at + 3).map(brief);
    const said = around(expected.map(({ text }) => text));
    faults.push(
      `sent ${expected.length}, … ${said} …, and shows ${texts.length}, … ${around(texts)} …`,
    );
  }
  for (const { text, messageId, refused } of asked) {
    // What became of a failed fsync nobody knows.
    if (refused && refused.code !== "storage_failed" && shown.has(text)) {
      faults.push(`${brief(text)} was refused and is there`);
    }
    if (messageId && !ids.has(messageId)) faults.push(`${brief(text)} is lost`);
  }
  return faults;
}

/** What each device shows of one conversation. */
export type Shown = ReadonlyMap<Witness, readonly Message[]>;

/**
 * A writer is told "read" when all have read whom it was for, and never otherwise; a user's devices
 * agree.
 */
export function receiptFaults(device: Witness, list: readonly Message[], shown: Shown): string[] {
  const faults: string[] = [];
  const states = [...shown]
    .filter(([other]) => other !== device)
    .map(([{ handle }, theirs]) => ({
      handle,
      read: new Map(theirs.map(({ messageId, state }) => [messageId, state === "read"])),
    }));
  for (const { messageId, mine, state, text } of list) {
    // Who joined later does not have it, and has nothing to say of it.
    const concerned = states.filter(({ read }) => read.has(messageId));
    const same = concerned.filter(({ handle }) => handle === device.handle);
    const others = concerned.filter(({ handle }) => handle !== device.handle);
    const isRead = state === "read";
    const differs = same.some(({ read }) => read.get(messageId) !== isRead);
    const readByAll = others.every(({ read }) => read.get(messageId));
    // Of what nobody has kept it cannot be told.
    const told = mine && others.length > 0;
    if (differs || (told && readByAll !== isRead)) {
      faults.push(`${brief(text)} is ${state}, which other devices see otherwise`);
    }
  }
  return faults;
}

/** What was read once stays so. */
export const readFaults = ({ read }: Witness, list: readonly Message[]): string[] =>
  list
    .filter(({ mine, messageId, state }) => !mine && read.has(messageId) && state !== "read")
    .map(({ text }) => `${brief(text)} was read once and is not any more`);

/** What the list of conversations says of it. */
export function summaryFaults(summary: Conversation, list: readonly Message[]): string[] {
  const faults: string[] = [];
  const unread = list.filter(
    ({ mine, notice, deleted, state }) => !mine && !notice && !deleted && state !== "read",
  ).length;
  if (summary.unread !== Math.min(unread, MAX_UNREAD)) {
    faults.push(`counts ${summary.unread} unread of ${unread}`);
  }
  if (summary.behind !== 0) faults.push(`is behind by ${summary.behind}`);
  if (summary.lastMessage?.messageId !== list.at(-1)?.messageId) {
    faults.push("another message is said to be the last");
  }
  return faults;
}
