/** What a client tells of where the person is, and what it alerts to. */
import { beforeEach, expect, test } from "vitest";
import { encodeContent } from "../../electron/client/content.js";
import type { Alert } from "../../shared/client-api.js";
import type { ConversationId, DeviceId } from "../../shared/ids.js";
import type { Attention } from "../../shared/protocol.js";
import { ids, Stage, settled } from "./stage.js";

const device = "dd".repeat(16) as DeviceId;
const other = "00".repeat(16) as DeviceId;

let stage: Stage;
let seq: number;

beforeEach(async () => {
  stage = await Stage.withTalk();
  seq = 0;
  // Else what Bob writes were a stranger's request.
  await stage.send("hello");
});

async function hear(...texts: readonly string[]): Promise<void> {
  const now = stage.clock.now();
  const entries = texts.map((text) => ({
    seq: ++seq,
    userId: ids.bob,
    deviceId: device,
    n: seq,
    at: now,
    ttl: 0,
    rights: "change" as const,
    membership: null,
    payload: encodeContent({
      clock: { wall: now, counter: seq },
      sentAt: now,
      body: { type: "text", text },
    }),
  }));
  await stage.tell({ type: "entries", stamp: 1 + seq, conversationId: ids.talk, entries });
}

const alerts = (): Alert[] =>
  stage.events.flatMap(({ event, data }) => (event === "alert" ? [data] : []));
const told = () => stage.sent.filter(({ type }) => type === "attention");
const set = (conversationId: ConversationId | null, active: boolean) =>
  stage.client.call("attention.set", { conversationId, active });
/** This device and another one; this one's id is the larger. */
const together = (mine: Partial<Attention>, others: Partial<Attention>) =>
  stage.tell({
    type: "attention",
    devices: [
      { deviceId: stage.key.deviceId, since: 0, conversationId: null, usedAt: 1, ...mine },
      { deviceId: other, since: 0, conversationId: null, usedAt: 1, ...others },
    ],
  });

test("what came at once is one alert, to the newest", async () => {
  await hear("one", "two", "three");
  await stage.clock.pass(1_000);
  const messageId = `${ids.talk}.${device}.3`;
  expect(alerts()).toEqual([
    { conversationId: ids.talk, messageId, title: "Bob (3)", body: "three" },
  ]);
});

test("a long text is cut between characters", async () => {
  await hear("👍".repeat(1_000));
  await stage.clock.pass(1_000);
  expect(alerts()[0]?.body).toBe("👍".repeat(200));
});

test("what is in front here is not alerted to, as long as the person is there", async () => {
  await set(ids.talk, true);
  await hear("one");
  await stage.clock.pass(1_000);
  expect(alerts()).toEqual([]);
  await set(ids.talk, false);
  await hear("two");
  await stage.clock.pass(1_000);
  expect(alerts()).toMatchObject([{ body: "two" }]);
});

test("what was read before its alert, here or elsewhere, has none", async () => {
  await hear("one");
  const cursors = { conversationId: ids.talk, userId: ids.alice, deliveredUpTo: 1, readUpTo: 1 };
  await stage.tell({ type: "cursors", stamp: 3, ...cursors });
  await stage.clock.pass(1_000);
  expect(alerts()).toEqual([]);
});

test("of two devices used at the same time the one with the smaller id alerts", async () => {
  await together({}, {});
  await hear("one");
  await stage.clock.pass(1_000);
  expect(alerts()).toEqual([]);
  await together({ usedAt: 2 }, {});
  await hear("two");
  await stage.clock.pass(1_000);
  expect(alerts()).toMatchObject([{ body: "two" }]);
});

test("what came before this device did is left to one that was there", async () => {
  const since = stage.clock.now() + 1;
  await together({ usedAt: 2, since }, {});
  await hear("one");
  await stage.clock.pass(1_000);
  expect(alerts()).toEqual([]);
  await together({ usedAt: 2, since }, { since });
  await hear("two");
  await stage.clock.pass(1_000);
  expect(alerts()).toMatchObject([{ body: "two" }]);
});

test("what was left to another device comes back when that goes, not when the relay does", async () => {
  await together({}, { usedAt: 2 });
  await hear("one");
  await stage.clock.pass(1_000);
  await stage.hangUp();
  await stage.clock.pass(2_000);
  await stage.challenge();
  await stage.welcome();
  const self = { deviceId: stage.key.deviceId, since: 0, conversationId: null, usedAt: 1 };
  await stage.tell({ type: "attention", devices: [self] });
  expect(alerts()).toEqual([]);
  await together({}, { usedAt: 2 });
  await hear("two");
  await stage.clock.pass(1_000);
  await stage.tell({ type: "attention", devices: [self] });
  expect(alerts()).toMatchObject([{ body: "two" }]);
});

test("the relay is told of changes at once, and of use that goes on now and then", async () => {
  // A new device has asked where the others are.
  const before = told().length;
  await set(ids.talk, true);
  await stage.clock.pass(5_000);
  await set(ids.talk, true);
  expect(told().slice(before)).toEqual([
    { type: "attention", conversationId: ids.talk, usedAgo: 0 },
  ]);
  for (let i = 0; i < 5; i++) {
    await stage.clock.pass(5_000);
    await stage.answerPing();
  }
  await set(ids.talk, true);
  expect(told()).toHaveLength(before + 2);
  await stage.clock.pass(1_000);
  await set(ids.talk, false);
  await stage.clock.pass(2_000);
  await set(ids.talk, false);
  expect(told().slice(before + 2)).toEqual([
    { type: "attention", conversationId: null, usedAgo: 0 },
  ]);
});

test("a new connection is told how long ago it was", async () => {
  await set(null, true);
  await set(null, false);
  await stage.hangUp();
  await stage.clock.pass(10_000);
  await stage.challenge();
  await stage.welcome();
  expect(told()).toMatchObject([{ conversationId: null, usedAgo: 10_000 }]);
});

test("without notifications the other devices alert, and this one does not", async () => {
  await set(null, true);
  await stage.client.call("settings.set", { notifications: false });
  expect(told().at(-1)).toMatchObject({ usedAgo: null });
  await hear("one");
  await stage.clock.pass(1_000);
  expect(alerts()).toEqual([]);
});

test("a conversation that is not there cannot be in front", async () => {
  await expect(set("ee".repeat(16) as ConversationId, true)).rejects.toMatchObject({
    code: "not_found",
  });
  const fresh = await Stage.open();
  const early = fresh.client.call("attention.set", { conversationId: null, active: true });
  await expect(early).rejects.toMatchObject({ code: "not_registered" });
});

test("a closed client alerts no more", async () => {
  await hear("one");
  await stage.client.close();
  await settled();
  await stage.clock.pass(1_000);
  expect(alerts()).toEqual([]);
});
