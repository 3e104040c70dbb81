/** Two people on real processes: the promises as somebody with a shell can see them. */
import { afterEach, describe, expect, test } from "vitest";
import { introduce, openChannel, Scene, until } from "./processes.js";

let scene = new Scene();
afterEach(async () => {
  await scene.end();
  scene = new Scene();
});

async function two(direct = true) {
  const data = await scene.folder();
  const relay = await scene.relay({ data });
  const alice = await scene.person("alice", relay.url);
  const bob = await scene.person("bob", relay.url);
  const conversationId = await introduce(alice, bob, direct);
  return { data, relay, alice, bob, conversationId };
}

describe("with both online", () => {
  test("a message travels directly, and its append follows in a batch", async () => {
    const { relay, alice, bob, conversationId } = await two();
    const texts = Array.from({ length: 10 }, (_, i) => `message ${i}`);
    for (const text of texts) await alice.client.call("messages.send", { conversationId, text });

    const received = await until(
      "bob has them all",
      () => bob.client.messages(conversationId),
      (list) => list.length === texts.length,
    );
    expect(received.map(({ text }) => text)).toEqual(texts);
    expect(received.every(({ path, from }) => path === "direct" && from === "alice")).toBe(true);

    const sent = await until(
      "the log has them all",
      () => alice.client.messages(conversationId),
      (list) => list.every(({ seq }) => seq !== null),
    );
    expect(sent.map(({ path }) => path)).toEqual(texts.map(() => "direct"));
    expect(await relay.metric("dovetail_appended_total")).toBe(texts.length);
    expect(await relay.metric("dovetail_appended_direct_total")).toBe(texts.length);
    expect(await relay.metric("dovetail_append_requests_total")).toBeLessThan(texts.length);
  });

  test("the sender sees delivered, then read", async () => {
    const { alice, bob, conversationId } = await two();
    const { messageId } = await alice.client.call("messages.send", {
      conversationId,
      text: "hello",
    });
    const stateOf = async () =>
      (await alice.client.messages(conversationId)).find((each) => each.messageId === messageId)
        ?.state;
    await until("delivered", stateOf, (state) => state === "delivered");
    await until(
      "bob has it",
      () => bob.client.messages(conversationId),
      (list) => list.length === 1,
    );
    await bob.client.call("conversations.markRead", { conversationId, messageId });
    await until("read", stateOf, (state) => state === "read");
  });
});

test("with the other away: sent, then delivered in order and once, then read", async () => {
  const { relay, alice, bob, conversationId } = await two(false);
  await bob.client.stop();
  await until(
    "alice sees bob leave",
    () => alice.client.call("presence.get", { handles: ["bob"] }),
    ([state]) => state?.online === false && state.lastSeen !== null,
  );
  const texts = Array.from({ length: 25 }, (_, i) => `while you were away ${i}`);
  for (const text of texts) await alice.client.call("messages.send", { conversationId, text });
  const states = async () =>
    (await alice.client.messages(conversationId)).map(({ state }) => state);
  await until("sent", states, (list) => list.every((state) => state === "sent"));

  const back = await scene.client({ profile: bob.profile, relay: relay.url });
  const received = await until(
    "bob has them",
    () => back.messages(conversationId),
    (list) => list.length >= texts.length,
  );
  expect(received.map(({ text }) => text)).toEqual(texts);
  await until("delivered", states, (list) => list.every((state) => state === "delivered"));
  const last = received.at(-1);
  if (!last) throw new Error("nothing received");
  const { unread } = await back.call("conversations.get", { conversationId });
  expect(unread).toBe(texts.length);
  await back.call("conversations.markRead", { conversationId, messageId: last.messageId });
  await until("read", states, (list) => list.every((state) => state === "read"));
});

test("killing the relay mid-conversation: both talk on, and its log has every message once", async () => {
  const { data, relay, alice, bob, conversationId } = await two();
  const say = (who: typeof alice, text: string) =>
    who.client.call("messages.send", { conversationId, text });
  for (let i = 0; i < 5; i++)
    await Promise.all([say(alice, `before a${i}`), say(bob, `before b${i}`)]);
  await relay.kill();
  for (let i = 0; i < 20; i++)
    await Promise.all([say(alice, `during a${i}`), say(bob, `during b${i}`)]);
  for (const { client } of [alice, bob]) {
    await until(
      "everything arrived and was acknowledged without a relay",
      () => client.messages(conversationId),
      (messages) =>
        messages.length === 50 &&
        messages.every(({ mine, state }) => !mine || state === "delivered"),
    );
  }
  expect((await alice.client.call("connection.get", {})).relay).not.toBe("connected");

  await scene.relay({ data, port: relay.port });
  const histories = await Promise.all(
    [alice, bob].map(({ client }) =>
      until(
        "the log caught up",
        () => client.messages(conversationId),
        (messages) => messages.every(({ seq }) => seq !== null),
      ),
    ),
  );
  const [first, second] = histories.map((list) =>
    list.map(({ messageId, seq }) => [messageId, seq]),
  );
  expect(first).toEqual(second);
  expect(histories[0]?.map(({ seq }) => seq)).toEqual(Array.from({ length: 50 }, (_, i) => i + 1));
  const mine = histories[0]?.filter(({ mine }) => mine).map(({ text }) => text) ?? [];
  expect(mine).toEqual([
    ...Array.from({ length: 5 }, (_, i) => `before a${i}`),
    ...Array.from({ length: 20 }, (_, i) => `during a${i}`),
  ]);
});

test.each([["there"], ["away"]])(
  "taking turns with the relay %s: the log keeps the order in which people talked",
  async (where) => {
    const { data, relay, alice, bob, conversationId } = await two();
    if (where === "away") await relay.kill();
    const spoken: string[] = [];
    for (let i = 0; i < 12; i++) {
      const [speaker, listener] = i % 3 === 0 ? [bob, alice] : [alice, bob];
      const sent = await speaker.client.call("messages.send", {
        conversationId,
        text: `turn ${i}`,
      });
      spoken.push(sent.messageId);
      await until(
        "the other has heard it",
        () => listener.client.messages(conversationId),
        (list) => list.length === spoken.length,
      );
    }
    if (where === "away") await scene.relay({ data, port: relay.port });
    for (const { client } of [alice, bob]) {
      const list = await until(
        "all have their place",
        () => client.messages(conversationId),
        (messages) => messages.every(({ seq }) => seq !== null),
      );
      expect(list.map(({ messageId }) => messageId)).toEqual(spoken);
    }
  },
);

test("killing a client mid-sending: what it acknowledged is there after restart, nothing twice", async () => {
  const { relay, alice, bob, conversationId } = await two(false);
  const acknowledged: string[] = [];
  const sending = Array.from({ length: 300 }, async (_, i) => {
    const text = `message ${i}`;
    await alice.client.call("messages.send", { conversationId, text });
    acknowledged.push(text);
  });
  await until(
    "some are acknowledged",
    () => acknowledged.length,
    (count) => count > 40,
  );
  await alice.client.kill();
  await Promise.allSettled(sending);

  const again = await scene.client({ profile: alice.profile, relay: relay.url });
  const own = await until(
    "all are out",
    () => again.messages(conversationId),
    (list) => list.every(({ state }) => state === "delivered"),
  );
  const received = await until(
    "bob has as many",
    () => bob.client.messages(conversationId),
    (list) => list.length >= own.length,
  );
  const texts = received.map(({ text }) => text);
  expect(texts).toEqual(own.map(({ text }) => text));
  expect(new Set(texts).size).toBe(texts.length);
  // Acknowledged ones are all there, in order; beyond them at most what was on its way.
  expect(texts.slice(0, acknowledged.length)).toEqual(acknowledged);
});

test("a sender that vanishes: its direct messages are handed in by the recipient", async () => {
  const { data, relay, alice, bob, conversationId } = await two();
  await relay.kill();
  for (let i = 0; i < 5; i++) {
    await alice.client.call("messages.send", { conversationId, text: `last words ${i}` });
  }
  await until(
    "bob has them",
    () => bob.client.messages(conversationId),
    (list) => list.length === 5,
  );
  await alice.client.kill();

  const returned = await scene.relay({ data, port: relay.port });
  const list = await until(
    "the log has them",
    () => bob.client.messages(conversationId),
    (messages) => messages.every(({ seq }) => seq !== null),
  );
  expect(list.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5]);
  expect(await returned.metric("dovetail_handed_in_total")).toBe(5);

  const again = await scene.client({ profile: alice.profile, relay: relay.url });
  const own = await until(
    "alice has their places",
    () => again.messages(conversationId),
    (messages) => messages.every(({ seq }) => seq !== null),
  );
  expect(own.map(({ messageId }) => messageId)).toEqual(list.map(({ messageId }) => messageId));
});

test("direct connections switched off mid-conversation: the relay path takes over, and back", async () => {
  const { alice, bob, conversationId } = await two();
  const say = (i: number) =>
    alice.client.call("messages.send", { conversationId, text: `message ${i}` });
  for (let i = 0; i < 5; i++) await say(i);
  const switched = alice.client.call("settings.set", { directEnabled: false });
  for (let i = 5; i < 10; i++) await say(i);
  await switched;
  await until(
    "bob has ten",
    () => bob.client.messages(conversationId),
    (list) => list.length === 10,
  );
  await alice.client.call("settings.set", { directEnabled: true });
  await openChannel(alice, bob);
  for (let i = 10; i < 15; i++) await say(i);
  const received = await until(
    "bob has all",
    () => bob.client.messages(conversationId),
    (list) => list.length === 15 && list.every(({ seq }) => seq !== null),
  );
  expect(received.map(({ text }) => text)).toEqual(
    Array.from({ length: 15 }, (_, i) => `message ${i}`),
  );
  expect(received.at(-1)?.path).toBe("direct");
  expect(received.slice(5, 10).some(({ path }) => path === "relay")).toBe(true);
});
