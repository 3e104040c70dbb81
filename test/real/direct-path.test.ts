/** The direct path blocked, on real networks: from the start, and in the middle of a talk. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { Networks, whyNoNetworks } from "./networks.js";
import { openChannel, type Person, Scene, until } from "./processes.js";

const reason = whyNoNetworks();

let scene: Scene;
let networks: Networks | null = null;
beforeEach(() => {
  scene = new Scene();
  networks = reason === null ? new Networks() : null;
});
afterEach(async () => {
  await scene.end();
  networks?.remove();
});

/** Alice and Bob at home, with the relay between them. */
async function atHome(between: Networks) {
  const relay = await scene.relay({
    data: await scene.folder(),
    args: ["--host", "0.0.0.0"],
    within: between.within("r"),
  });
  const from = (home: "a" | "b") => `ws://${between.relayFor[home]}:${relay.port}`;
  const alice = await scene.person("alice", from("a"), between.within("a"));
  const bob = await scene.person("bob", from("b"), between.within("b"));
  const { conversationId } = await alice.client.call("conversations.open", { handle: "bob" });
  const say = (who: Person, text: string) =>
    who.client.call("messages.send", { conversationId, text });
  const received = (who: Person, count: number) =>
    until(
      `${who.handle} has ${count}`,
      () => who.client.messages(conversationId),
      (list) => list.length >= count,
    );
  return { alice, bob, conversationId, say, received };
}

test("blocked from the start: messages go through the relay, in order", async ({ skip }) => {
  if (!networks) return skip(reason ?? undefined);
  networks.cutDirect();
  const { alice, bob, say, received } = await atHome(networks);
  const texts = Array.from({ length: 20 }, (_, i) => `message ${i}`);
  for (const text of texts) await say(alice, text);
  const list = await received(bob, texts.length);
  expect(list.map(({ text }) => text)).toEqual(texts);
  expect(list.every(({ path }) => path === "relay")).toBe(true);
});

test("blocked in the middle: the switch costs no message and no order, and direct comes back", async ({
  skip,
}) => {
  if (!networks) return skip(reason ?? undefined);
  const { alice, bob, say, received } = await atHome(networks);
  await openChannel(alice, bob);
  for (let i = 0; i < 10; i++) await say(alice, `before ${i}`);
  const before = await received(bob, 10);
  expect(before.every(({ path }) => path === "direct")).toBe(true);

  networks.cutDirect();
  for (let i = 0; i < 20; i++) await say(alice, `during ${i}`);
  const during = await received(bob, 30);
  expect(during.slice(10).every(({ path }) => path === "relay")).toBe(true);

  for (const { client } of [alice, bob]) {
    await until(
      "the dead channel was noticed",
      () => client.call("connection.get", {}),
      ({ direct }) => direct.every(({ state }) => state !== "open"),
    );
  }
  networks.healDirect();
  await openChannel(alice, bob);
  for (let i = 0; i < 5; i++) await say(alice, `after ${i}`);
  const after = await received(bob, 35);
  expect(after.slice(30).every(({ path }) => path === "direct")).toBe(true);

  const spoken = [
    ...Array.from({ length: 10 }, (_, i) => `before ${i}`),
    ...Array.from({ length: 20 }, (_, i) => `during ${i}`),
    ...Array.from({ length: 5 }, (_, i) => `after ${i}`),
  ];
  for (const who of [alice, bob]) {
    const list = await until(
      "all have their place",
      () => received(who, 35),
      (messages) => messages.every(({ seq }) => seq !== null),
    );
    expect(list.map(({ text }) => text)).toEqual(spoken);
  }
});
