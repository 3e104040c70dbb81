/** A user on three devices and one on two in a group, whatever happens to the devices. */
import { afterEach, expect, test } from "vitest";
import type { ConversationId } from "../../shared/ids.js";
import { type Person, Scene, until } from "./processes.js";

let scene = new Scene();
afterEach(async () => {
  await scene.end();
  scene = new Scene();
});

let said = 0;
/** Every one says so many things, all at once. */
const talk = (devices: readonly Person[], conversationId: ConversationId, count: number) =>
  Promise.all(
    devices.flatMap(({ client }) =>
      Array.from({ length: count }, () =>
        client.call("messages.send", { conversationId, text: `said ${++said}` }),
      ),
    ),
  );

const knows = ({ client }: Person, conversationId: ConversationId) =>
  until(
    "the device knows the group",
    () => client.call("conversations.list", {}),
    (list) => list.some((each) => each.conversationId === conversationId),
  );

/** All show one history with so many messages, each with its place. */
async function agree(
  devices: readonly Person[],
  conversationId: ConversationId,
  count: number,
): Promise<void> {
  const histories = await Promise.all(
    devices.map(({ client }) =>
      until(
        `all of ${count} messages are there`,
        async () =>
          (await client.messages(conversationId)).map(({ messageId, seq, text, reactions }) => ({
            ...{ messageId, seq, text },
            reactions: reactions.map(({ emoji, by }) => [emoji, by.map(({ handle }) => handle)]),
          })),
        (list) =>
          list.filter(({ text }) => text !== "").length === count &&
          list.every(({ seq }) => seq !== null),
      ),
    ),
  );
  for (const history of histories) expect(history).toEqual(histories[0]);
}

test("all five show one history after being offline, killed and replaced", async () => {
  const relay = await scene.relay({ data: await scene.folder() });
  const alice = await scene.person("alice", relay.url);
  const bob = await scene.person("bob", relay.url);
  const made = await alice.client.call("groups.create", { name: "Home", handles: ["bob"] });
  const { conversationId } = made;
  let laptop = await scene.link(alice, relay.url);
  let phone = await scene.link(laptop, relay.url);
  let desk = await scene.link(bob, relay.url);
  for (const device of [bob, laptop, phone, desk]) await knows(device, conversationId);
  said = 0;

  await talk([alice, laptop, phone, bob, desk], conversationId, 5);
  await agree([alice, laptop, phone, bob, desk], conversationId, 25);

  // One is killed in the middle of sending, one goes away, and the others talk on.
  const sending = talk([laptop], conversationId, 5).catch(() => "killed");
  await laptop.client.kill();
  await sending;
  expect(await desk.client.stop()).toBe(0);
  await talk([alice, phone, bob], conversationId, 5);
  laptop = await scene.again(laptop, relay.url);
  desk = await scene.again(desk, relay.url);
  const fromLaptop = await until(
    "what the killed one had kept is there",
    async () => {
      const list = await laptop.client.messages(conversationId);
      return { count: list.length, placed: list.every(({ seq }) => seq !== null) };
    },
    ({ count, placed }) => placed && count >= 1 + 25 + 15,
  );
  const count = fromLaptop.count - 1;
  await agree([alice, laptop, phone, bob, desk], conversationId, count);

  // One is removed for good, and another takes its place.
  const lost = await phone.client.call("account.get", {});
  if (!lost) throw new Error("the phone has no account");
  await alice.client.call("devices.remove", { deviceId: lost.deviceId });
  await talk([alice, desk], conversationId, 3);
  phone = await scene.link(laptop, relay.url);
  await knows(phone, conversationId);
  const last = (await bob.client.messages(conversationId)).at(-1);
  if (!last) throw new Error("bob has no messages");
  const { messageId } = last;
  await until(
    "the new phone has the message",
    () => phone.client.call("messages.get", { messageId }).catch(() => null),
    (found) => found !== null,
  );
  await phone.client.call("messages.react", { messageId, emoji: "👋" });
  await talk([phone, bob], conversationId, 2);
  await agree([alice, laptop, phone, bob, desk], conversationId, count + 10);
  const reacted = await until(
    "all show the reaction",
    () =>
      Promise.all(
        [alice, laptop, phone, bob, desk].map(({ client }) =>
          client.call("messages.get", { messageId }),
        ),
      ),
    (list) => list.every(({ reactions }) => reactions.length === 1),
  );
  expect(reacted.map(({ reactions }) => reactions[0]?.emoji)).toEqual(Array(5).fill("👋"));
});
