/** A device whose database is damaged goes on as a new one of the same user. */
import { readdir, stat, truncate, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { introduce, type Person, Scene, until } from "./processes.js";

let scene = new Scene();
afterEach(async () => {
  await scene.end();
  scene = new Scene();
});

const databaseOf = ({ profile }: Person) => join(profile, "db");

async function removeCurrent(person: Person): Promise<void> {
  await unlink(join(databaseOf(person), "CURRENT"));
}

async function overwriteManifest(person: Person): Promise<void> {
  const folder = databaseOf(person);
  const name = (await readdir(folder)).find((each) => each.startsWith("MANIFEST-"));
  if (!name) throw new Error("no manifest");
  await writeFile(join(folder, name), new Uint8Array(500).fill(7));
}

async function truncateTables(person: Person): Promise<void> {
  const folder = databaseOf(person);
  const tables = (await readdir(folder)).filter((each) => each.endsWith(".ldb"));
  expect(tables.length).toBeGreaterThan(0);
  for (const name of tables) {
    const path = join(folder, name);
    await truncate(path, Math.floor((await stat(path)).size / 2));
  }
}

/** Alice's device has 300 messages in two conversations and two that it could not send. */
async function stage() {
  const data = await scene.folder();
  let relay = await scene.relay({ data });
  const alice = await scene.person("alice", relay.url);
  const bob = await scene.person("bob", relay.url);
  const carol = await scene.person("carol", relay.url);
  const withBob = await introduce(alice, bob, false);
  const withCarol = await introduce(alice, carol, false);
  await Promise.all(
    Array.from({ length: 300 }, (_, i) => {
      const conversationId = i % 2 ? withBob : withCarol;
      return alice.client.call("messages.send", { conversationId, text: `message ${i}` });
    }),
  );
  for (const [who, id] of [[bob, withBob] as const, [carol, withCarol] as const]) {
    await until(
      "it has them",
      () => who.client.messages(id),
      (list) => list.length === 150 && list.every(({ seq }) => seq !== null),
    );
  }
  const { deviceId } = (await alice.client.call("account.get", {})) ?? {};
  await Promise.all([bob.client.stop(), carol.client.stop()]);
  await relay.kill();
  for (const conversationId of [withBob, withCarol]) {
    await alice.client.call("messages.send", { conversationId, text: "unsent" });
  }
  await alice.client.kill();
  const begin = async () => {
    relay = await scene.relay({ data, port: relay.port });
    return relay;
  };
  return { url: relay.url, begin, alice, bob, carol, withBob, withCarol, deviceId };
}

/** All have one history, with what was not sent once, and the damaged device is gone. */
async function isWhole(
  { bob, carol, withBob, withCarol, deviceId, url }: Awaited<ReturnType<typeof stage>>,
  alice: Person,
): Promise<void> {
  for (const [other, id] of [[bob, withBob] as const, [carol, withCarol] as const]) {
    const { client } = await scene.again(other, url);
    const [own, theirs] = await Promise.all(
      [alice.client, client].map((each) =>
        until(
          "the whole history",
          () => each.messages(id).catch(() => []),
          (list) => list.length === 151 && list.every(({ seq }) => seq !== null),
        ),
      ),
    );
    expect(own?.map(({ messageId }) => messageId)).toEqual(theirs?.map((each) => each.messageId));
    expect(theirs?.filter(({ text }) => text === "unsent")).toHaveLength(1);
    expect(own?.every(({ mine }) => mine)).toBe(true);
  }
  const devices = await until(
    "the damaged device is gone",
    () => alice.client.call("devices.list", {}),
    (list) => list.length === 1,
  );
  expect(devices[0]?.deviceId).not.toBe(deviceId);
  await until(
    "the recovery is over",
    () => readdir(alice.profile),
    (names) => !names.includes("recovery.json"),
  );
}

test.each([
  ["CURRENT removed", removeCurrent],
  ["MANIFEST overwritten", overwriteManifest],
])("%s: the same history as the others, and what was not sent arrives once", async (_, damage) => {
  const world = await stage();
  await damage(world.alice);
  await world.begin();
  const alice = await scene.again(world.alice, world.url);
  await isWhole(world, alice);
  await alice.client.stop();
  const again = await scene.again(world.alice, world.url);
  expect(await again.client.messages(world.withBob)).toHaveLength(151);
});

test("a table cut off: nothing that the relay has is lost", async () => {
  const world = await stage();
  // Opening again makes a table of the log.
  const reopened = await scene.again(world.alice, world.url);
  await reopened.client.call("account.get", {});
  await reopened.client.kill();
  await truncateTables(world.alice);
  await world.begin();
  const { client } = await scene.again(world.alice, world.url);
  const history = await until(
    "the history",
    () => client.messages(world.withBob).catch(() => []),
    (list) => list.length >= 150,
  );
  expect(new Set(history.map(({ text }) => text)).size).toBe(history.length);
});

test("without the relay nothing is deleted, and the next start with it goes on", async () => {
  const world = await stage();
  await removeCurrent(world.alice);
  const early = await scene.again(world.alice, world.url);
  expect(await early.client.exited()).toBe(1);
  expect(early.client.log).toContain("the profile is damaged");
  expect(await readdir(world.alice.profile)).toContain("recovery.json");
  await world.begin();
  await isWhole(world, await scene.again(world.alice, world.url));
});

test.each([50, 300, 600])("killed %i ms after its start, it completes at the next", async (ms) => {
  const world = await stage();
  await removeCurrent(world.alice);
  await world.begin();
  const first = await scene.again(world.alice, world.url);
  await new Promise((done) => setTimeout(done, ms));
  await first.client.kill();
  await isWhole(world, await scene.again(world.alice, world.url));
});
