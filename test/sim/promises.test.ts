/** The checker's questions: each finds what it is there to find. */
import { expect, test } from "vitest";
import type { Conversation, Message } from "../../shared/client-api.js";
import { type ConversationId, type DeviceId, messageIdOf } from "../../shared/ids.js";
import {
  holeFaults,
  logFaults,
  orderFaults,
  readFaults,
  receiptFaults,
  sentFaults,
  summaryFaults,
  type Witness,
} from "./promises.js";

const conversationId = "c".repeat(32) as ConversationId;
const deviceId = "d".repeat(32) as DeviceId;

/** What questions look at of a message; the rest is not theirs. */
const message = (n: number, more: Partial<Message> = {}): Message =>
  ({
    messageId: messageIdOf(conversationId, { deviceId, n }),
    conversationId,
    seq: n,
    clock: String(n).padStart(15, "0"),
    text: `message-${n}`,
    mine: true,
    state: "delivered",
    ...more,
  }) as Message;

const three = [message(1), message(2), message(3)];
const log = three.map(({ messageId }, i) => ({ messageId, seq: i + 1, shown: true }));
const asked = three.map(({ text, messageId }) => ({
  conversationId,
  text,
  messageId,
  refused: null,
}));
const alice: Witness = { handle: "alice", sent: asked, read: new Set() };
const bob: Witness = {
  handle: "bob",
  sent: [],
  read: new Set(log.slice(0, 1).map(({ messageId }) => messageId)),
};
const pair = { alone: false };

test("a history as promised has no faults", () => {
  expect(logFaults(three, log, pair)).toEqual([]);
  expect(sentFaults(alice, conversationId, three)).toEqual([]);
  expect(logFaults(three.slice(1), log.slice(1), pair)).toEqual([]);
});

test.each([
  ["lost", three.slice(0, 2), log, /has 2 messages where the log has 3/],
  ["doubled", [...three, message(3, { seq: 4 })], log, /after a later one/],
  ["invented", [...three, message(4)], log, /has 4 messages where the log has 3/],
  ["moved", [message(1, { seq: 2 }), message(2, { seq: 1 }), message(3)], log, /shows .* after/],
  ["not delivered", [message(1, { state: "sent" }), ...three.slice(1)], log, /is still sent/],
  ["without its place", [...three.slice(0, 2), message(3, { seq: null })], log, /at null, not 3/],
  ["twice in the log", three, [...log, ...log.slice(2)], /the log has an entry twice/],
])("a message that is %s is found in the history", (_what, list, entries, fault) => {
  expect(logFaults(list, entries, pair).join("\n")).toMatch(fault);
});

test("a log that lost an entry has a hole", () => {
  expect(holeFaults(log)).toEqual([]);
  expect(holeFaults([...log.slice(0, 1), ...log.slice(2)])).toHaveLength(1);
});

test("what a device wrote stands in the order of writing", () => {
  expect(orderFaults([message(2, { seq: 1 }), message(1, { seq: 2 })])).toHaveLength(1);
});

test("what was acknowledged is lost, doubled or out of order, and what was refused is there", () => {
  const faults = (own: readonly Message[], witness = alice) =>
    sentFaults(witness, conversationId, own).join("\n");
  expect(faults(three.slice(1))).toMatch(/message-1 is lost/);
  expect(faults([...three, message(4, { text: "message-3" })])).toMatch(/sent something twice/);
  expect(faults([message(2), message(1), message(3)])).toMatch(/and shows 3/);
  const refused = asked.map((each) => ({ ...each, messageId: null, refused: { code: "timeout" } }));
  expect(faults(three, { ...alice, sent: refused })).toMatch(/was refused and is there/);
});

test("a receipt says what the reader did, and reading is not undone", () => {
  const read = three.map(
    (each, i) => ({ ...each, state: i === 0 ? "read" : each.state }) as Message,
  );
  const received = read.map((each) => ({ ...each, mine: false }));
  const shown = new Map([[bob, received]]);
  expect(receiptFaults(alice, read, shown)).toEqual([]);
  expect(receiptFaults(alice, three, shown)).toHaveLength(1);
  const phone: Witness = { ...alice };
  expect(receiptFaults(alice, three, new Map([[phone, read]]))).toHaveLength(1);
  // In a group all have to have read it who have it.
  const carol: Witness = { ...bob, handle: "carol" };
  const unread = received.map((each): Message => ({ ...each, state: "delivered" }));
  expect(receiptFaults(alice, three, new Map([...shown, [carol, unread]]))).toEqual([]);
  expect(receiptFaults(alice, read, new Map([...shown, [carol, unread]]))).toHaveLength(1);
  expect(receiptFaults(alice, read, new Map([...shown, [carol, unread.slice(1)]]))).toEqual([]);
  expect(readFaults(bob, received)).toEqual([]);
  expect(
    readFaults(
      bob,
      three.map((each) => ({ ...each, mine: false })),
    ),
  ).toHaveLength(1);
});

test("the list of conversations counts what is unread and shows the last", () => {
  const summary = { unread: 0, behind: 0, lastMessage: three[2] } as Conversation;
  expect(summaryFaults(summary, three)).toEqual([]);
  const wrong = { unread: 1, behind: 2, lastMessage: three[1] } as Conversation;
  expect(summaryFaults(wrong, three)).toHaveLength(3);
});
