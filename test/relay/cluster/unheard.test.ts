/** Relays on one store that do not hear each other: what the store has counts at all of them in time. */
import { beforeEach, expect, it } from "vitest";
import { Conversations } from "../../../relay/core/conversations.js";
import { People } from "../../../relay/core/people.js";
import type { Relay } from "../../../relay/core/relay.js";
import { aloneBus } from "../../../relay/workers/alone.js";
import type { ConversationId } from "../../../shared/ids.js";
import { deviceBytes } from "../../../shared/protocol.js";
import { Client, World } from "../world.js";

let world: World;
let here: Relay;
let there: Relay;
let alice: Client;
/** Alice's other device, at the other relay. */
let phone: Client;
let bob: Client;
let talk: ConversationId;

/** What was begun by then has ended. */
const settled = () => bob.ask({ type: "getDevices" });

async function wait(seconds: number): Promise<void> {
  for (let passed = 0; passed < seconds; passed += 10) {
    world.clock.advance(10_000);
    await settled();
  }
}

const signal = () =>
  bob.ask({ type: "signal", deviceId: alice.key.deviceId, payload: new Uint8Array([1]) });
const block = (client: Client, blocked: boolean) =>
  client.ask({ type: "block", userId: bob.userId, blocked });

beforeEach(async () => {
  world = await World.open();
  // Nobody is dropped for saying nothing while the clock is moved on.
  const config = { heartbeatMs: 3_600_000 };
  [here, there] = ["1", "2"].map((digit) =>
    world.anotherRelay(config, aloneBus(digit.repeat(32))),
  ) as [Relay, Relay];
  alice = new Client(here);
  bob = new Client(here);
  phone = new Client(there);
  await alice.register("alice");
  await bob.register("bob");
  talk = await alice.open(bob.userId);
  const { publicKey, deviceId } = phone.key;
  await world.store.directory.addDevice({
    ...{ deviceId, publicKey, userId: alice.userId, name: "phone" },
    addedAt: world.clock.now(),
    removed: false,
    addedBy: {
      deviceId: alice.key.deviceId,
      signature: alice.sign(deviceBytes(alice.userId, publicKey, "phone")),
    },
  });
  await phone.authenticate();
});

it("what one takes for the log is what the other has written", async () => {
  await bob.ask({ type: "getChanges", after: 0, limit: 100 });
  expect(await bob.log(talk)).toEqual([]);
  await phone.append(talk, 1, ["from there"]);
  expect(await bob.log(talk)).toEqual(["from there"]);
  expect(await bob.append(talk, 1, ["from here"])).toMatchObject({ places: [{ seq: 2 }] });
  await wait(40);
  await bob.until(() =>
    bob.all("conversation").some(({ conversation }) => conversation.head === 2),
  );
});

it("a block counts everywhere within a minute, and one that was taken back is made again", async () => {
  expect(await signal()).toMatchObject({ type: "done" });
  await block(phone, true);
  await wait(60);
  expect(await signal()).toMatchObject({ code: "not_online" });
  await block(alice, true);
  await block(phone, false);
  await block(alice, true);
  expect(await world.store.directory.blockedBy(alice.userId)).toEqual([bob.userId]);
});

it("a removed device is out within minutes, and nothing of it is handed in after one", async () => {
  const { deviceId } = phone.key;
  const handIn = (n: number) =>
    bob.append(talk, n, ["handed in"], {
      of: deviceId,
      signatures: [phone.signatureOf(talk, n, "handed in")],
    });
  expect(await handIn(1)).toMatchObject({ type: "appended" });
  await world.store.directory.removeDevice(alice.userId, deviceId);
  await wait(60);
  expect(await handIn(2)).toMatchObject({ code: "device_removed" });
  await wait(300);
  expect(await phone.closed()).toBeGreaterThan(0);
  expect(phone.all("error").at(-1)?.code).toBe("device_removed");
});

it("what was still being written when all was forgotten is read anew", async () => {
  await alice.append(talk, 1, ["hello"]);
  const { logs, directory } = world.store;
  const people = new People(directory, null, null);
  const conversations = new Conversations(logs, people, world.clock, true);
  const writing = await conversations.find(talk);
  conversations.forgetAll();
  await bob.ask({ type: "moveCursors", conversationId: talk, deliveredUpTo: 1, readUpTo: 1 });
  if (writing) conversations.adopt(writing);
  expect((await conversations.find(talk))?.cursor(bob.userId)).toMatchObject({ readUpTo: 1 });
});
