/** Faults at chosen moments, each the way a person would tell it. */
import { beforeEach, describe, expect, it } from "vitest";
import type { Message } from "../../shared/client-api.js";
import type { ConversationId } from "../../shared/ids.js";
import { under } from "../../shared/key-value.js";
import { Checker } from "./checker.js";
import type { Device } from "./machine.js";
import { settle } from "./scenario.js";
import { World } from "./world.js";

let world: World;
let checker: Checker;
let alice: Device;
let bob: Device;
let talk: ConversationId;

/** Time has to run for an answer: the disk has its own. */
async function list(device: Device): Promise<readonly Message[]> {
  let messages: readonly Message[] = [];
  await world.act([
    device.client?.call("messages.list", { conversationId: talk, limit: 500 }).then((found) => {
      messages = found;
    }),
  ]);
  return messages;
}
const shown = async (device: Device): Promise<string[]> =>
  (await list(device)).map(({ text }) => text);
const stateOf = async (device: Device, wanted: string) =>
  (await list(device)).find(({ text }) => text === wanted);
const sendMany = async (device: Device, prefix: string, count: number) => {
  for (let i = 0; i < count; i++) {
    world.send(device, talk, `${prefix}${i}`);
    await world.run(20);
  }
};

/** Both have used the conversation, so that a direct channel is open. */
async function acquainted(): Promise<void> {
  world.send(alice, talk, "hello");
  await world.run(3_000);
  world.network.directMessages = 0;
  world.send(alice, talk, "direct?");
  await world.run(500);
  expect((await stateOf(bob, "direct?"))?.path).toBe("direct");
  expect(world.network.directMessages).toBeGreaterThan(0);
}

async function asPromised(): Promise<void> {
  await settle(world, checker);
  expect(world.violations, world.report()).toEqual([]);
}

beforeEach(async () => {
  world = await World.open({ seed: 99, handles: ["alice", "bob"] });
  checker = new Checker(world);
  [alice, bob] = world.devices as [Device, Device];
  talk = world.between(alice, bob);
});

describe("the direct path", () => {
  beforeEach(acquainted);

  it.each(["cut", "silent"] as const)("drops in the middle of sending (%s)", async (path) => {
    const sending = sendMany(alice, "a", 20);
    world.time.after(200, () => world.network.setDirectPath("alice", "bob", path));
    await sending;
    await world.run(10_000);
    expect((await shown(bob)).filter((text) => text.startsWith("a"))).toHaveLength(20);
    await asPromised();
  });

  it("goes on while the relay is dead, and its log catches up", async () => {
    world.killRelay();
    await sendMany(alice, "a", 10);
    await sendMany(bob, "b", 10);
    await world.run(2_000);
    expect(await shown(alice)).toEqual(await shown(bob));
    expect((await stateOf(alice, "a9"))?.state).toBe("delivered");
    expect((await stateOf(alice, "a9"))?.seq).toBeNull();
    await asPromised();
    expect(await shown(alice)).toHaveLength(22);
  });

  it("the recipient hands in what the sender, who vanished, could not", async () => {
    world.network.setRelayPath("alice", "cut");
    await sendMany(alice, "a", 5);
    await world.run(500);
    world.kill(alice);
    expect(await shown(bob)).toHaveLength(7);
    await world.run(120_000);
    // Alice never came back, and the log has what she said.
    expect((await stateOf(bob, "a4"))?.seq).toBe(7);
    await asPromised();
  });

  it("a recipient with a full disk acknowledges nothing that it has not stored", async () => {
    bob.disk.full = true;
    await sendMany(alice, "a", 3);
    await world.run(5_000);
    expect((await stateOf(alice, "a2"))?.state).toBe("sent");
    await asPromised();
  });
});

describe("the relay path", () => {
  beforeEach(() => world.network.setDirectPath("alice", "bob", "cut"));

  it("is as good without a direct one", async () => {
    await sendMany(alice, "a", 20);
    await sendMany(bob, "b", 20);
    await world.run(3_000);
    expect(await shown(alice)).toEqual(await shown(bob));
    expect((await stateOf(alice, "a0"))?.state).toBe("delivered");
    expect((await stateOf(alice, "a0"))?.path).toBe("relay");
    await asPromised();
  });

  it("keeps what is written to somebody who is away", async () => {
    world.kill(bob);
    await sendMany(alice, "a", 5);
    await world.run(5_000);
    expect((await stateOf(alice, "a4"))?.state).toBe("sent");
    world.start(bob);
    await world.run(5_000);
    expect((await stateOf(alice, "a4"))?.state).toBe("delivered");
    await asPromised();
  });

  it("acknowledges nothing while the relay's disk is full", async () => {
    world.relay.disk.full = true;
    await sendMany(alice, "a", 3);
    await world.run(20_000);
    expect((await stateOf(alice, "a2"))?.state).toBe("queued");
    await asPromised();
  });
});

it("a client killed in the middle of sending loses nothing that it showed", async () => {
  const sending = sendMany(alice, "a", 20);
  world.time.after(205, () => world.kill(alice));
  await sending;
  const acknowledged = alice.sent.filter(({ messageId }) => messageId).length;
  expect(acknowledged).toBeGreaterThan(0);
  expect(acknowledged).toBeLessThan(20);
  world.start(alice);
  await asPromised();
  expect((await shown(bob)).length).toBeGreaterThanOrEqual(acknowledged);
});

it("two who call each other at the same moment end with one channel", async () => {
  world.send(alice, talk, "a");
  world.send(bob, talk, "b");
  await world.run(5_000);
  for (const device of world.devices) {
    const connection = await device.client?.call("connection.get", {});
    expect(connection?.direct).toMatchObject([{ state: "open" }]);
  }
  await asPromised();
});

it("a full disk refuses the message and says so", async () => {
  alice.disk.full = true;
  await sendMany(alice, "a", 2);
  expect(alice.sent.map(({ refused }) => refused?.code)).toEqual(["disk_full", "disk_full"]);
  alice.disk.full = false;
  await sendMany(alice, "b", 2);
  await asPromised();
  expect(await shown(bob)).toEqual(["b0", "b1"]);
});

it("a client that is closed twice has ended when either says so", async () => {
  bob.slowestWriteMs = 300;
  world.send(bob, talk, "last words");
  await world.act([world.stop(bob), world.stop(bob)]);
  // Its profile would still be in use.
  world.start(bob);
  await asPromised();
});

describe("signing up", () => {
  it.each(["alice", "relay"])("goes on where it was when %s was killed", async (victim) => {
    for (let moment = 0; moment < 300; moment += 10) {
      const young = await World.begin({ seed: moment, handles: ["alice", "bob"] });
      const [a] = young.devices as [Device, Device];
      young.register(a).catch(() => undefined);
      await young.run(moment);
      if (victim === "relay") young.killRelay();
      else young.kill(a);
      await young.run(100);
      young.startRelay();
      young.start(a);
      await young.run(100);
      let handle: string | undefined;
      const signUp = async () => {
        if (!(await a.client?.call("account.get", {}))) await young.register(a);
        handle = (await a.client?.call("account.get", {}))?.handle;
      };
      await young.act([signUp()]);
      expect(handle).toBe("alice");
      expect(young.relay.disk.certain(under("user/"))).toHaveLength(1);
      expect(young.violations, young.report()).toEqual([]);
    }
  });
});

it("a relay restored from a backup gets back from the devices what it had acknowledged", async () => {
  await sendMany(alice, "a", 5);
  await sendMany(bob, "b", 5);
  await world.run(5_000);
  const restore = world.relay.disk.backUp();
  await sendMany(alice, "c", 5);
  await sendMany(bob, "d", 5);
  await world.run(5_000);
  expect((await stateOf(alice, "c4"))?.seq).not.toBeNull();
  world.restoreRelay(restore);
  await asPromised();
  expect(await shown(alice)).toHaveLength(20);
});
