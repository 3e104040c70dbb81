/** One user on several devices, on real processes. */
import { afterEach, expect, test } from "vitest";
import { introduce, openChannel, type Person, type RpcError, Scene, until } from "./processes.js";

let scene = new Scene();
afterEach(async () => {
  await scene.end();
  scene = new Scene();
});

const link = (person: Person, relay: string) => scene.link(person, relay);

/** The conversation has come to a device that was just linked. */
const knows = ({ client }: Person) =>
  until(
    "the device knows the conversation",
    () => client.call("conversations.list", {}),
    (list) => list.length === 1,
  );

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => null,
    (error: RpcError) => error.code,
  );

test("a linked device has the whole history, and every device shows one", async () => {
  const relay = await scene.relay({ data: await scene.folder() });
  const alice = await scene.person("alice", relay.url);
  const bob = await scene.person("bob", relay.url);
  const conversationId = await introduce(alice, bob);
  const say = (who: Person, text: string) =>
    who.client.call("messages.send", { conversationId, text });
  for (let i = 0; i < 10; i++) await say(i % 2 ? alice : bob, `before ${i}`);

  const laptop = await link(alice, relay.url);
  await knows(laptop);
  const devices = [alice, laptop, bob];
  for (let i = 0; i < 12; i++) await say(devices[i % 3] as Person, `with three ${i}`);
  const phone = await link(laptop, relay.url);
  await knows(phone);
  await say(phone, "from the last one");

  const histories = await Promise.all(
    [...devices, phone].map(({ client }) =>
      until(
        "all have all, placed",
        () => client.messages(conversationId),
        (list) => list.length === 23 && list.every(({ seq }) => seq !== null),
      ),
    ),
  );
  const [first, ...others] = histories.map((list) => list.map(({ messageId }) => messageId));
  for (const other of others) expect(other).toEqual(first);
  // What one's other device wrote is one's own.
  expect(histories[0]?.at(-1)).toMatchObject({ mine: true, text: "from the last one" });
  const list = await alice.client.call("devices.list", {});
  expect(list.map(({ current, online }) => [current, online])).toEqual([
    [true, true],
    [false, true],
    [false, true],
  ]);
});

test("what is read on one device is read on the other, and counted there no more", async () => {
  const relay = await scene.relay({ data: await scene.folder() });
  const alice = await scene.person("alice", relay.url);
  const bob = await scene.person("bob", relay.url);
  const conversationId = await introduce(alice, bob, false);
  const laptop = await link(alice, relay.url);
  const unread = async (who: Person) => {
    const list = await who.client.call("conversations.list", {});
    return list.find((each) => each.conversationId === conversationId)?.unread;
  };
  for (let i = 0; i < 3; i++) {
    await bob.client.call("messages.send", { conversationId, text: `message ${i}` });
  }
  for (const who of [alice, laptop]) {
    await until(
      "three unread",
      () => unread(who),
      (count) => count === 3,
    );
  }
  const placed = await until(
    "placed",
    () => laptop.client.messages(conversationId),
    (list) => list.length === 3 && list.every(({ seq }) => seq !== null),
  );
  const messageId = placed[2]?.messageId;
  if (!messageId) throw new Error("no message");
  await laptop.client.call("conversations.markRead", { conversationId, messageId });
  await until(
    "read there too",
    () => unread(alice),
    (count) => count === 0,
  );
});

test("with the relay gone, one's own devices hear of it directly as well", async () => {
  const relay = await scene.relay({ data: await scene.folder() });
  const alice = await scene.person("alice", relay.url);
  const bob = await scene.person("bob", relay.url);
  const conversationId = await introduce(alice, bob);
  const laptop = await link(alice, relay.url);
  await knows(laptop);
  await openChannel(laptop, bob);
  await until(
    "all three are connected to each other",
    async () => {
      await alice.client.call("conversations.open", { handle: "bob" });
      return await alice.client.call("connection.get", {});
    },
    ({ direct }) => direct.filter(({ state }) => state === "open").length === 2,
  );
  await relay.kill();
  await alice.client.call("messages.send", { conversationId, text: "to all" });
  for (const { client } of [laptop, bob]) {
    const list = await until(
      "it came",
      () => client.messages(conversationId),
      (messages) => messages.length === 1,
    );
    expect(list[0]).toMatchObject({ text: "to all", path: "direct" });
  }
});

test("a wrong code lets nobody in, and a right one only once", async () => {
  const relay = await scene.relay({ data: await scene.folder() });
  const alice = await scene.person("alice", relay.url);
  const { code } = await alice.client.call("devices.pair", {});
  const stranger = await scene.client({ profile: await scene.folder(), relay: relay.url });
  const wrong = code.startsWith("0") ? `1${code.slice(1)}` : `0${code.slice(1)}`;
  expect(await codeOf(stranger.call("account.link", { code: wrong }))).toBe("pairing_unknown");
  expect(await codeOf(stranger.call("account.link", { code: "short" }))).toBe("invalid_params");
  const laptop = await scene.client({ profile: await scene.folder(), relay: relay.url });
  await laptop.call("account.link", { code });
  expect(await codeOf(stranger.call("account.link", { code }))).toBe("pairing_unknown");
  expect(await alice.client.call("devices.list", {})).toHaveLength(2);
});

test("a removed device is out at once, for ever, and hears no more", async () => {
  const data = await scene.folder();
  const relay = await scene.relay({ data });
  const alice = await scene.person("alice", relay.url);
  const bob = await scene.person("bob", relay.url);
  const conversationId = await introduce(alice, bob, false);
  const laptop = await link(alice, relay.url);
  const { deviceId } = (await laptop.client.call("account.get", {})) ?? {};
  if (!deviceId) throw new Error("no account");
  await alice.client.call("devices.remove", { deviceId });
  const refused = () =>
    until(
      "it is told",
      () => laptop.client.call("connection.get", {}),
      ({ error }) => error === "device_removed",
    );
  await refused();
  await bob.client.call("messages.send", { conversationId, text: "not for the laptop" });
  await until(
    "alice has it",
    () => alice.client.messages(conversationId),
    (l) => l.length === 1,
  );
  await laptop.client.stop();
  await relay.kill();
  const again = await scene.relay({ data, port: relay.port });
  const client = await scene.client({ profile: laptop.profile, relay: again.url });
  await until(
    "still refused",
    () => client.call("connection.get", {}),
    ({ error }) => error === "device_removed",
  );
  expect(await client.messages(conversationId)).toEqual([]);
});
