/** What the client does when a peer does not do as it should. */
import { expect, test } from "vitest";
import { encodeContent } from "../../electron/client/content.js";
import { type DirectFrame, directFrames } from "../../electron/client/direct-frames.js";
import { SESSION_BYTES, sealSignal } from "../../electron/client/signals.js";
import type { ConversationId, DeviceId } from "../../shared/ids.js";
import { entryBytes } from "../../shared/protocol.js";
import { ids, newKey, Stage, settled } from "./stage.js";

const session = new Uint8Array(SESSION_BYTES).fill(7);
const text = (words: string) =>
  encodeContent({
    clock: { wall: 1_800_000_000_000, counter: 0 },
    sentAt: 1,
    body: { type: "text", text: words },
  });

/** Bob's device at the other end, in the test's hands. */
class Bob {
  readonly key = newKey();
  readonly stage: Stage;

  constructor(stage: Stage) {
    this.stage = stage;
  }

  static async connected(): Promise<Bob> {
    const bob = new Bob(await Stage.withTalk());
    await bob.offer();
    bob.channel.events.open();
    await settled();
    return bob;
  }

  offer(over: { to?: DeviceId; by?: ReturnType<typeof newKey> } = {}) {
    const signal = { session, kind: "offer", index: 0, data: Uint8Array.of(1) } as const;
    const payload = sealSignal(over.by ?? this.key, over.to ?? this.stage.key.deviceId, signal);
    const { deviceId } = this.key;
    return this.stage.tell({ type: "signal", userId: ids.bob, deviceId, payload });
  }

  get channel() {
    const channel = this.stage.channels.at(-1);
    if (!channel) throw new Error("no channel was opened");
    return channel;
  }

  async say(frame: DirectFrame): Promise<void> {
    await this.sayRaw(directFrames.encode(frame));
  }

  async sayRaw(bytes: Uint8Array): Promise<void> {
    this.channel.events.message(bytes);
    await settled();
  }

  entry(n: number, words: string, conversationId = ids.talk): DirectFrame {
    const payload = text(words);
    const signature = this.key.sign(
      entryBytes(conversationId, this.key.deviceId, { n, ttl: 0, payload }),
    );
    return { type: "entry", conversationId, n, ttl: 0, payload, signature };
  }

  heard<T extends DirectFrame["type"]>(type: T) {
    return this.channel.sent
      .map((bytes) => directFrames.decode(bytes))
      .filter((frame) => frame.type === type) as Extract<DirectFrame, { type: T }>[];
  }
}

test("an entry is acknowledged when it is stored, and shown as direct", async () => {
  const bob = await Bob.connected();
  await bob.say(bob.entry(1, "hello"));
  expect(bob.heard("stored")).toEqual([{ type: "stored", conversationId: ids.talk, ns: [1] }]);
  expect(await bob.stage.messages()).toMatchObject([{ text: "hello", path: "direct", seq: null }]);
});

test("the same entry twice is shown once and acknowledged twice", async () => {
  const bob = await Bob.connected();
  await bob.say(bob.entry(1, "hello"));
  await bob.say(bob.entry(1, "hello"));
  expect(await bob.stage.messages()).toHaveLength(1);
  expect(bob.heard("stored")).toHaveLength(2);
});

test("an offer signed by another key, or for another device, opens nothing", async () => {
  const bob = new Bob(await Stage.withTalk());
  await bob.offer({ by: newKey() });
  await bob.offer({ to: newKey().deviceId });
  expect(bob.stage.channels).toHaveLength(0);
  await bob.offer();
  expect(bob.stage.channels).toHaveLength(1);
});

test.each([
  ["bytes that are no frame", Uint8Array.of(0xee)],
  ["nothing", new Uint8Array()],
  ["a frame with bytes left over", Uint8Array.of(10, 0)],
])("%s: the channel is closed", async (_what, bytes) => {
  const bob = await Bob.connected();
  await bob.sayRaw(bytes);
  expect(bob.channel.closed).toBe(true);
  expect((await bob.stage.client.call("connection.get", {})).direct).toEqual([]);
});

test("an entry whose signature is not its device's is declined", async () => {
  const bob = await Bob.connected();
  const entry = bob.entry(1, "hello") as Extract<DirectFrame, { type: "entry" }>;
  await bob.say({ ...entry, payload: text("something else") });
  await bob.say({ ...entry, n: 2 });
  expect(bob.heard("declined").map(({ n }) => n)).toEqual([1, 2]);
  expect(await bob.stage.messages()).toEqual([]);
});

test("an entry for a conversation that is not known is declined", async () => {
  const bob = await Bob.connected();
  const elsewhere = "ee".repeat(16) as ConversationId;
  await bob.say(bob.entry(1, "hello", elsewhere));
  await bob.stage.answer("getConversation", {
    type: "error",
    code: "not_found",
    message: "",
    retryAfterMs: null,
    expected: null,
  });
  expect(bob.heard("declined")).toMatchObject([{ conversationId: elsewhere, n: 1 }]);
});

test("acknowledging what was never sent changes nothing", async () => {
  const bob = await Bob.connected();
  await bob.say({ type: "stored", conversationId: ids.talk, ns: [1, 2, 3] });
  const { messageId } = await bob.stage.send("first");
  await settled();
  const [message] = await bob.stage.messages();
  expect(message).toMatchObject({ messageId, state: "queued" });
});

test("an acknowledged entry is delivered; what the other has read is read", async () => {
  const bob = await Bob.connected();
  await bob.stage.send("are you there?");
  await settled();
  expect(bob.heard("entry").map(({ n }) => n)).toEqual([1]);
  await bob.say({ type: "stored", conversationId: ids.talk, ns: [1] });
  expect((await bob.stage.messages())[0]?.state).toBe("delivered");
  const origins = [{ deviceId: bob.stage.key.deviceId, n: 1 }];
  await bob.say({ type: "read", conversationId: ids.talk, readUpTo: 0, origins });
  expect((await bob.stage.messages())[0]?.state).toBe("read");
});

test("without an acknowledgement the relay is asked after a second, under the same origin", async () => {
  const bob = await Bob.connected();
  await bob.stage.send("are you there?");
  await settled();
  expect(bob.stage.has("append")).toBe(false);
  await bob.stage.clock.pass(1_100);
  expect(bob.stage.last("append").entries).toMatchObject([{ n: 1 }]);
});

test("a declined entry goes to the relay at once", async () => {
  const bob = await Bob.connected();
  await bob.stage.send("are you there?");
  await settled();
  await bob.say({ type: "declined", conversationId: ids.talk, n: 1 });
  expect(bob.stage.last("append").entries).toMatchObject([{ n: 1 }]);
});

test("a silent channel is left within seconds, and what was on its way takes the relay", async () => {
  const bob = await Bob.connected();
  await bob.stage.send("are you there?");
  await bob.stage.clock.pass(7_000);
  expect(bob.channel.closed).toBe(true);
  expect(bob.stage.last("append").entries).toMatchObject([{ n: 1 }]);
});

test("with the disk full nothing is acknowledged", async () => {
  const bob = await Bob.connected();
  const { DovetailError } = await import("../../shared/errors.js");
  bob.stage.store.failure = new DovetailError("disk_full");
  await bob.say(bob.entry(1, "hello"));
  expect(bob.heard("stored")).toEqual([]);
  expect(await bob.stage.messages()).toEqual([]);
});

test("switched off, offers are refused and the open channel is closed", async () => {
  const bob = await Bob.connected();
  await bob.stage.client.call("settings.set", { directEnabled: false });
  expect(bob.heard("goodbye")).toEqual([{ type: "goodbye", reason: "unwanted" }]);
  const opened = bob.stage.channels.length;
  await bob.offer();
  expect(bob.stage.channels).toHaveLength(opened);
  expect(bob.stage.has("signal")).toBe(true);
});

test("what the sender did not bring to the log is handed in, with its signature", async () => {
  const bob = await Bob.connected();
  await bob.say(bob.entry(1, "last words"));
  bob.channel.events.closed("gone");
  await settled();
  await bob.stage.clock.pass(9_000);
  await bob.stage.answerPing();
  await bob.stage.clock.pass(9_000);
  const { entries } = bob.stage.last("append");
  expect(entries).toMatchObject([{ deviceId: bob.key.deviceId, n: 1 }]);
  expect(entries[0]?.signature).not.toBeNull();
});

test("an own append brings along what the other said before it", async () => {
  const bob = await Bob.connected();
  await bob.say(bob.entry(1, "question"));
  await bob.stage.send("answer");
  await settled();
  await bob.say({ type: "stored", conversationId: ids.talk, ns: [1] });
  await bob.stage.clock.pass(4_100);
  expect(bob.stage.last("append")).toMatchObject({
    entries: [{ deviceId: bob.key.deviceId }, { deviceId: bob.stage.key.deviceId }],
    heldBy: [bob.key.deviceId],
  });
});

test("where the relay takes long, what the other has already waits longer for its place", async () => {
  const bob = await Bob.connected();
  const { stage } = bob;
  const say = async (n: number) => {
    await stage.send(`message ${n}`);
    await settled();
    await bob.say({ type: "stored", conversationId: ids.talk, ns: [n] });
  };
  const placed = (seq: number) =>
    stage.answer("append", { type: "appended", places: [{ seq, at: 1, rights: "change" }] });
  await say(1);
  await stage.clock.pass(2_100);
  expect(stage.last("append").entries).toMatchObject([{ n: 1 }]);
  await stage.clock.pass(2_000);
  await bob.say({ type: "ping" });
  await placed(1);
  await say(2);
  await stage.clock.pass(4_000);
  await bob.say({ type: "ping" });
  await stage.answerPing();
  expect(stage.last("append").entries).toMatchObject([{ n: 1 }]);
  await stage.clock.pass(400);
  expect(stage.last("append").entries).toMatchObject([{ n: 2 }]);
  await placed(2);
  // That one was quick.
  await say(3);
  await stage.clock.pass(2_100);
  expect(stage.last("append").entries).toMatchObject([{ n: 3 }]);
});

test("what the other declined is not read when a later message is", async () => {
  const bob = await Bob.connected();
  await bob.stage.send("declined there");
  await bob.stage.send("stored there");
  await settled();
  await bob.say({ type: "declined", conversationId: ids.talk, n: 1 });
  await bob.say({ type: "stored", conversationId: ids.talk, ns: [2] });
  const origins = [{ deviceId: bob.stage.key.deviceId, n: 2 }];
  await bob.say({ type: "read", conversationId: ids.talk, readUpTo: 0, origins });
  expect((await bob.stage.messages()).map(({ state }) => state)).toEqual(["queued", "read"]);
});

test("nor when the log has placed both before the word of the reader came", async () => {
  const bob = await Bob.connected();
  await bob.stage.send("declined there");
  await bob.stage.send("stored there");
  await settled();
  await bob.say({ type: "stored", conversationId: ids.talk, ns: [2] });
  await bob.say({ type: "declined", conversationId: ids.talk, n: 1 });
  await bob.stage.clock.pass(1_100);
  await bob.stage.answer("append", {
    type: "appended",
    places: bob.stage.last("append").entries.map((_, i) => ({
      seq: i + 1,
      at: 1,
      rights: "change" as const,
    })),
  });
  await bob.stage.clock.pass(4_000);
  await bob.stage.answerPing();
  if ((await bob.stage.messages()).some(({ seq }) => seq === null)) {
    await bob.stage.answer("append", {
      type: "appended",
      places: [{ seq: 2, at: 1, rights: "change" }],
    });
  }
  const origins = [{ deviceId: bob.stage.key.deviceId, n: 2 }];
  await bob.say({ type: "read", conversationId: ids.talk, readUpTo: 0, origins });
  const [first, second] = await bob.stage.messages();
  expect([first?.seq, second?.seq]).toEqual([1, 2]);
  expect(first?.state).toBe("sent");
});

test("with its clock set back at a restart a device still writes after what it wrote", async () => {
  const stage = await Stage.withTalk();
  await stage.send("before");
  await settled();
  await stage.answer("append", { type: "appended", places: [{ seq: 1, at: 1, rights: "change" }] });
  const [before] = await stage.messages();
  stage.clock.setBack(3_600_000);
  await stage.start();
  await stage.send("after");
  const after = (await stage.messages()).at(-1);
  expect(after?.text).toBe("after");
  expect((after?.clock ?? "") > (before?.clock ?? "")).toBe(true);
});

test("a receipt follows what this device handed in", async () => {
  const bob = await Bob.connected();
  await bob.say(bob.entry(1, "last words"));
  bob.channel.events.closed("gone");
  await settled();
  await bob.stage.clock.pass(9_000);
  await bob.stage.answerPing();
  await bob.stage.clock.pass(9_000);
  await bob.stage.answer("append", {
    type: "appended",
    places: [{ seq: 1, at: 1, rights: "change" }],
  });
  await bob.stage.clock.pass(100);
  expect(bob.stage.last("moveCursors")).toMatchObject({ deliveredUpTo: 1 });
});
