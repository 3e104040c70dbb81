/** What the client does when the relay or the disk does not do as it should. */
import { expect, test } from "vitest";
import { encodeContent } from "../../electron/client/content.js";
import { DovetailError } from "../../shared/errors.js";
import type { ConversationId, DeviceId, UserId } from "../../shared/ids.js";
import { ids, RELAY, Stage, settled } from "./stage.js";

const device = "dd".repeat(16) as DeviceId;
const payload = (text: string) =>
  encodeContent({
    clock: { wall: 1_800_000_000_000, counter: 0 },
    sentAt: 1,
    body: { type: "text", text },
  });
const entry = (seq: number, text = `entry ${seq}`) => ({
  seq,
  userId: ids.bob,
  deviceId: device,
  n: seq,
  at: 1,
  ttl: 0,
  rights: "change" as const,
  membership: null,
  payload: payload(text),
});
const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => "no error",
    (error: DovetailError) => error.code,
  );

test.each([
  ["bytes that are no frame", Uint8Array.of(0xff, 1, 2)],
  ["nothing", new Uint8Array()],
  ["a frame cut short", Uint8Array.of(41, 0x80)],
])("%s from the relay: the connection is left and made anew", async (_what, bytes) => {
  const stage = await Stage.withTalk();
  await stage.tellRaw(bytes);
  expect((await stage.client.call("connection.get", {})).error).toBe("malformed_frame");
  await stage.clock.pass(1_000);
  expect(stage.dialled).toBe(2);
});

test("a welcome before the proof is not believed", async () => {
  const stage = await Stage.open();
  const registered = codeOf(
    stage.client.call("account.register", { handle: "alice", displayName: "Alice" }),
  );
  await settled();
  await stage.tell({
    type: "welcome",
    userId: ids.alice,
    deviceId: device,
    handle: "alice",
    displayName: "Alice",
    now: 0,
    heartbeatMs: 1,
    iceServers: [],
    addresses: [],
    run: stage.run,
  });
  expect(await registered).toBe("unexpected_frame");
  expect(await stage.client.call("account.get", {})).toBeNull();
});

test("a relay of another name gets no signature", async () => {
  const stage = await Stage.withTalk();
  await stage.hangUp();
  await stage.clock.pass(60_000);
  await stage.challenge("somebody-else");
  expect(stage.has("authenticate")).toBe(false);
  expect((await stage.client.call("connection.get", {})).error).toBe("wrong_relay");
});

test("a taken handle is told, and the next try may take another", async () => {
  const stage = await Stage.open();
  const first = codeOf(stage.client.call("account.register", { handle: "bob", displayName: "B" }));
  await settled();
  await stage.challenge();
  await stage.tell({
    type: "error",
    requestId: null,
    code: "handle_taken",
    message: "taken",
    retryAfterMs: null,
    expected: null,
  });
  expect(await first).toBe("handle_taken");
  expect((await stage.client.call("connection.get", {})).relay).toBe("offline");
  const second = stage.client.call("account.register", { handle: "alice", displayName: "Alice" });
  await settled();
  await stage.challenge();
  await stage.welcome();
  expect((await second).handle).toBe("alice");
});

test("why the relay refused a device is still told while it cannot be reached", async () => {
  const stage = await Stage.withTalk();
  const errorOf = async () => (await stage.client.call("connection.get", {})).error;
  await stage.tell({
    ...{ type: "error", requestId: null, code: "device_removed", message: "Removed." },
    ...{ retryAfterMs: null, expected: null },
  });
  expect(await errorOf()).toBe("device_removed");
  await stage.clock.pass(3_600_000);
  expect(stage.dialled).toBeGreaterThan(1);
  await stage.hangUp();
  expect(await errorOf()).toBe("device_removed");
  await stage.client.call("connection.retry", {});
  await stage.challenge();
  await stage.welcome();
  expect(await errorOf()).toBeNull();
});

test("a relay that stops is left before it closes, and asked again when it has said", async () => {
  const stage = await Stage.withTalk();
  await stage.tell({
    ...{ type: "error", requestId: null, code: "shutting_down", message: "Later." },
    ...{ retryAfterMs: 20_000, expected: null },
  });
  expect(stage.hungUp).toBe(1);
  expect((await stage.client.call("connection.get", {})).error).toBe("shutting_down");
  await stage.clock.pass(19_000);
  expect(stage.dialled).toBe(1);
  await stage.clock.pass(2_000);
  expect(stage.dialled).toBe(2);
});

test("a relay that has said when to come is not dialled before, whoever wants to", async () => {
  const stage = await Stage.withTalk();
  await stage.tell({
    ...{ type: "error", requestId: null, code: "shutting_down", message: "Later." },
    ...{ retryAfterMs: 20_000, expected: null },
  });
  await stage.client.call("connection.retry", {});
  const call = { handles: ["carol"] };
  expect(await codeOf(stage.client.call("presence.get", call))).toBe("relay_unreachable");
  await stage.clock.pass(19_999);
  expect(stage.dialled).toBe(1);
  await stage.clock.pass(1);
  expect(stage.dialled).toBe(2);
});

test("a request that is refused for a while is asked again on the same connection", async () => {
  const stage = await Stage.withTalk();
  const told = stage.client.call("users.search", { prefix: "carol", limit: 5 });
  await settled();
  const asked = () => stage.sent.filter(({ type }) => type === "searchUsers").length;
  const refusal = { type: "error", message: "", retryAfterMs: 2_000, expected: null } as const;
  for (const code of ["rate_limited", "overloaded"] as const) {
    const before = asked();
    await stage.answer("searchUsers", { ...refusal, code });
    await stage.clock.pass(1_999);
    expect(asked()).toBe(before);
    await stage.clock.pass(1);
    expect(asked()).toBe(before + 1);
  }
  await stage.answer("searchUsers", { type: "people", people: [] });
  expect(await told).toEqual([]);
  expect(stage.dialled).toBe(1);
});

test("a request that is refused for long is told to whoever asked, with the time", async () => {
  const stage = await Stage.withTalk();
  const told = stage.client.call("users.search", { prefix: "carol", limit: 5 });
  told.catch(() => {});
  await settled();
  const refusal = { message: "", retryAfterMs: 600_000, expected: null };
  await stage.answer("searchUsers", { type: "error", code: "rate_limited", ...refusal });
  await expect(told).rejects.toMatchObject({ code: "rate_limited", retryAfterMs: 600_000 });
});

test("a relay that falls silent is left ten seconds after a ping", async () => {
  const stage = await Stage.withTalk();
  const pings = () => stage.sent.filter(({ type }) => type === "ping").length;
  for (let beat = 1; beat <= 3; beat++) {
    await stage.clock.pass(19_999);
    expect(pings()).toBe(beat);
    await stage.tell({ type: "pong", nonce: 0 });
    await stage.clock.pass(1);
  }
  await stage.clock.pass(19_999);
  expect([pings(), stage.hungUp]).toEqual([4, 0]);
  await stage.clock.pass(1);
  expect(stage.hungUp).toBe(1);
});

test("when a machine has woken up, a dead connection is left within seconds and a live one is kept", async () => {
  const stage = await Stage.withTalk();
  const pings = () => stage.sent.filter(({ type }) => type === "ping").length;
  await stage.clock.pass(1);
  await stage.client.call("connection.retry", {});
  await stage.clock.pass(4_999);
  // Whoever asks once more does not put it off.
  await stage.client.call("connection.retry", {});
  expect([pings(), stage.hungUp]).toEqual([1, 0]);
  await stage.clock.pass(1);
  expect(stage.hungUp).toBe(1);
  await stage.clock.pass(1_000);
  await stage.challenge();
  await stage.welcome();
  await stage.clock.pass(1);
  await stage.client.call("connection.retry", {});
  await stage.tell({ type: "pong", nonce: 0 });
  await stage.clock.pass(9_000);
  expect([stage.hungUp, stage.dialled]).toEqual([1, 2]);
});

test("a relay that says nothing while it is asked is left when the question has waited for too long", async () => {
  const stage = await Stage.withTalk();
  await stage.clock.pass(1);
  const asked = codeOf(stage.client.call("users.search", { prefix: "carol", limit: 5 }));
  await stage.clock.pass(14_999);
  expect(stage.hungUp).toBe(0);
  await stage.clock.pass(1);
  expect(await asked).toBe("timeout");
  expect(stage.hungUp).toBe(1);
});

test("a relay that owes one answer and says something else is kept", async () => {
  const stage = await Stage.withTalk();
  const asked = codeOf(stage.client.call("users.search", { prefix: "carol", limit: 5 }));
  await stage.clock.pass(12_000);
  await stage.tell({ type: "pong", nonce: 0 });
  await stage.clock.pass(3_000);
  expect(await asked).toBe("timeout");
  expect(stage.hungUp).toBe(0);
});

test("a full disk: the message is refused in words, nothing of it is shown or sent, and later all is well", async () => {
  const stage = await Stage.withTalk();
  stage.store.failure = new DovetailError("disk_full");
  expect(await codeOf(stage.send("lost?"))).toBe("disk_full");
  expect(await stage.messages()).toEqual([]);
  expect(stage.has("append")).toBe(false);
  stage.store.failure = null;
  await stage.send("kept");
  await settled();
  expect(stage.last("append").entries.map(({ n }) => n)).toEqual([1]);
});

test("what arrives while the disk is full is not passed over: it is asked for again", async () => {
  const stage = await Stage.withTalk();
  stage.store.failure = new DovetailError("disk_full");
  await stage.tell({ type: "entries", stamp: 7, conversationId: ids.talk, entries: [entry(1)] });
  stage.store.failure = null;
  await stage.clock.pass(60_000);
  await stage.challenge();
  await stage.tell({
    type: "welcome",
    userId: ids.alice,
    deviceId: stage.key.deviceId,
    handle: "alice",
    displayName: "Alice",
    now: 0,
    heartbeatMs: 30_000,
    iceServers: [],
    addresses: [],
    run: stage.run,
  });
  expect(stage.last("getChanges").after).toBeLessThan(7);
});

test("a gap in what is pushed is fetched before anything after it is shown", async () => {
  const stage = await Stage.withTalk();
  await stage.tell({ type: "entries", stamp: 2, conversationId: ids.talk, entries: [entry(3)] });
  expect(await stage.messages()).toEqual([]);
  expect(stage.last("getEntries").fromSeq).toBe(1);
  await stage.answer("getEntries", {
    type: "page",
    head: 3,
    first: 1,
    entries: [entry(1), entry(2), entry(3)],
  });
  expect((await stage.messages()).map(({ seq }) => seq)).toEqual([1, 2, 3]);
});

test("a call ends whose relay goes while its answer is taken in", async () => {
  const stage = await Stage.withTalk();
  const creating = stage.client.call("groups.create", { name: "Club", handles: [] });
  await settled();
  const { conversationId } = stage.last("createGroup");
  const conversation = { ...stage.talk(1), conversationId, kind: "group" as const, epoch: 1 };
  const answered = stage.answer("createGroup", { type: "opened", conversation });
  await stage.hangUp();
  await answered;
  await stage.clock.pass(1_000);
  const waited = await Promise.race([creating, settled().then(() => "still waiting")]);
  expect(waited).toEqual({ conversationId });
});

test("cursors of somebody who is not known yet are not passed over: who it is is asked", async () => {
  const stage = await Stage.withTalk();
  const group = { ...stage.talk(), conversationId: "ab".repeat(16) as ConversationId };
  const told = { ...group, kind: "group" as const, epoch: 1 };
  await stage.tell({ type: "conversation", stamp: 2, conversation: told });
  const carol = "ca".repeat(16) as UserId;
  const cursors = { userId: carol, deliveredUpTo: 3, readUpTo: 3 };
  const { conversationId } = group;
  await stage.tell({ type: "cursors", stamp: 5, conversationId, ...cursors });
  expect(stage.last("getConversation").conversationId).toBe(conversationId);
  const person = { ...cursors, handle: "carol", displayName: "Carol", admin: false };
  const now = { ...told, epoch: 2, members: [...told.members, person] };
  await stage.answer("getConversation", { type: "opened", conversation: now });
  const members = await stage.client.call("groups.members", { conversationId });
  expect(members.map(({ handle }) => handle)).toContain("carol");
  // Asked once: what comes next of her is taken as it comes.
  stage.sent = [];
  await stage.tell({ type: "cursors", stamp: 6, conversationId, ...cursors, deliveredUpTo: 4 });
  expect(stage.has("getConversation")).toBe(false);
});

test("a relay that keeps no more than the last entries: the history begins there", async () => {
  const stage = await Stage.withTalk();
  await stage.tell({ type: "entries", stamp: 2, conversationId: ids.talk, entries: [entry(7)] });
  const page = { type: "page", head: 7, first: 6, entries: [entry(6), entry(7)] } as const;
  await stage.answer("getEntries", page);
  expect((await stage.messages()).map(({ seq }) => seq)).toEqual([6, 7]);
  const [conversation] = await stage.client.call("conversations.list", {});
  expect(conversation).toMatchObject({ behind: 0, unread: 2 });
  await stage.tell({ type: "entries", stamp: 3, conversationId: ids.talk, entries: [entry(8)] });
  expect((await stage.messages()).map(({ seq }) => seq)).toEqual([6, 7, 8]);
});

test("a log that goes on where one was not a member goes on there", async () => {
  const stage = await Stage.withTalk();
  await stage.tell({
    ...{ type: "entries", stamp: 2, conversationId: ids.talk },
    entries: [entry(1), entry(2)],
  });
  await stage.tell({ type: "entries", stamp: 3, conversationId: ids.talk, entries: [entry(9)] });
  expect(stage.last("getEntries").fromSeq).toBe(2);
  await stage.answer("getEntries", { type: "page", head: 9, first: 2, entries: [entry(2)] });
  expect(stage.last("getEntries").fromSeq).toBe(3);
  await stage.answer("getEntries", { type: "page", head: 9, first: 9, entries: [entry(9)] });
  expect((await stage.messages()).map(({ seq }) => seq)).toEqual([1, 2, 9]);
});

test("the same entries twice, or older ones again, change nothing", async () => {
  const stage = await Stage.withTalk();
  for (const stamp of [2, 3]) {
    await stage.tell({
      type: "entries",
      stamp,
      conversationId: ids.talk,
      entries: [entry(1), entry(2)],
    });
  }
  expect((await stage.messages()).map(({ text }) => text)).toEqual(["entry 1", "entry 2"]);
  expect(stage.events.filter(({ event }) => event === "message.added")).toHaveLength(2);
});

test("an entry of a newer version keeps its place and says what it needs", async () => {
  const stage = await Stage.withTalk();
  const strange = { ...entry(1), payload: Uint8Array.of(0xfe, 0xdc) };
  await stage.tell({
    type: "entries",
    stamp: 2,
    conversationId: ids.talk,
    entries: [strange, entry(2)],
  });
  const [first, second] = await stage.messages();
  expect(first?.text).toMatch(/newer version/);
  expect(second?.text).toBe("entry 2");
});

test("a refused append is tried again with back-off and never given up", async () => {
  const stage = await Stage.withTalk();
  await stage.send("stubborn");
  await settled();
  for (let round = 0; round < 3; round++) {
    const before = stage.sent.filter(({ type }) => type === "append").length;
    await stage.answer("append", {
      type: "error",
      code: "storage_failed",
      message: "",
      retryAfterMs: 1_000,
      expected: null,
    });
    expect((await stage.messages())[0]?.state).toBe("queued");
    await stage.clock.pass(8_000);
    await stage.answerPing();
    expect(stage.sent.filter(({ type }) => type === "append").length).toBe(before + 1);
  }
  await stage.answer("append", { type: "appended", places: [{ seq: 1, at: 1, rights: "change" }] });
  expect((await stage.messages())[0]).toMatchObject({ state: "sent", seq: 1 });
});

test("an append that is to wait waits over a new connection too", async () => {
  const stage = await Stage.withTalk();
  await stage.send("patient");
  await settled();
  const refusal = { message: "", retryAfterMs: 60_000, expected: null };
  await stage.answer("append", { type: "error", code: "overloaded", ...refusal });
  const again = async (): Promise<void> => {
    await stage.hangUp();
    await stage.client.call("connection.retry", {});
    await stage.challenge();
    await stage.welcome();
    await stage.answerPresence([]);
    await stage.clock.pass(5_000);
  };
  await again();
  expect(stage.has("append")).toBe(false);
  await stage.hangUp();
  await stage.clock.pass(60_000);
  await again();
  expect(stage.has("append")).toBe(true);
});

test("an answer with too few places is not believed", async () => {
  const stage = await Stage.withTalk();
  await stage.send("one");
  await settled();
  await stage.answer("append", { type: "appended", places: [] });
  expect((await stage.messages())[0]?.state).toBe("queued");
});

test("restarted after sending: what was queued is still there and goes out again under its origin", async () => {
  const stage = await Stage.withTalk();
  const { messageId } = await stage.send("before the crash");
  await settled();
  const first = stage.last("append").entries;
  await stage.start();
  await stage.challenge(RELAY);
  await stage.welcome();
  await stage.answerPresence([]);
  expect((await stage.messages())[0]).toMatchObject({ messageId, state: "queued" });
  expect(stage.last("append").entries).toEqual(first);
});

test("a profile restored from an older copy adopts its own entries and numbers on from them", async () => {
  const stage = await Stage.withTalk();
  const own = {
    ...entry(1, "from the lost copy"),
    userId: ids.alice,
    deviceId: stage.key.deviceId,
  };
  await stage.tell({ type: "entries", stamp: 2, conversationId: ids.talk, entries: [own] });
  await stage.send("next");
  await settled();
  expect(stage.last("append").entries[0]?.n).toBe(2);
});
