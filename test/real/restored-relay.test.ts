/** An operator restores a backup: what the relay had acknowledged since is brought back by the devices. */
import { cp, rm } from "node:fs/promises";
import { afterEach, expect, test } from "vitest";
import { introduce, type Person, Scene, until } from "./processes.js";

let scene = new Scene();
afterEach(async () => {
  await scene.end();
  scene = new Scene();
});

const placed = (
  who: Person,
  conversationId: Parameters<Person["client"]["messages"]>[0],
  count: number,
) =>
  until(
    `${who.handle} has ${count}, all placed`,
    () => who.client.messages(conversationId),
    (list) => list.length === count && list.every(({ seq }) => seq !== null),
  );

test.each([
  ["when all come back at once", 0],
  ["and somebody writes before the others are back", 4],
  ["and somebody writes more than was lost before the others are back", 30],
])("%s: nothing is lost, and all show one history", async (_when, early) => {
  const data = await scene.folder();
  const copy = await scene.folder();
  const first = await scene.relay({ data });
  const alice = await scene.person("alice", first.url);
  const bob = await scene.person("bob", first.url);
  const conversationId = await introduce(alice, bob, false);
  const say = (who: Person, text: string) =>
    who.client.call("messages.send", { conversationId, text });
  for (let i = 0; i < 10; i++) await say(i % 2 ? alice : bob, `kept ${i}`);
  await placed(alice, conversationId, 10);
  await placed(bob, conversationId, 10);
  await first.kill("SIGTERM");
  await cp(data, copy, { recursive: true });

  const second = await scene.relay({ data, port: first.port });
  for (let i = 0; i < 12; i++) await say(i % 2 ? alice : bob, `lost ${i}`);
  await placed(alice, conversationId, 22);
  await placed(bob, conversationId, 22);
  await alice.client.stop();
  await second.kill();
  await rm(data, { recursive: true });
  await cp(copy, data, { recursive: true });

  const third = await scene.relay({ data, port: first.port });
  for (let i = 0; i < early; i++) await say(bob, `early ${i}`);
  if (early > 0) {
    // His own lost entries and the new ones; hers wait for her.
    await until(
      "bob's are placed",
      () => bob.client.messages(conversationId),
      (list) => list.filter(({ mine }) => mine).every(({ seq }) => seq !== null),
    );
  }
  const client = await scene.client({ profile: alice.profile, relay: third.url });
  const back = { ...alice, client };
  const [hers, his] = await Promise.all([
    placed(back, conversationId, 22 + early),
    placed(bob, conversationId, 22 + early),
  ]);
  expect(hers.map(({ messageId }) => messageId)).toEqual(his.map(({ messageId }) => messageId));
  expect(new Set(hers.map(({ text }) => text)).size).toBe(22 + early);
});
