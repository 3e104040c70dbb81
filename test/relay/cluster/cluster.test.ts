/** Three nodes on one store: what people do at one of them is as if there were no other. */
import { beforeEach, describe, expect, it, vi } from "vitest";
import { type NodeId, Ring } from "../../../relay/core/cluster/ring.js";
import type { Relay } from "../../../relay/core/relay.js";
import { fromHex, toHex } from "../../../shared/bytes.js";
import { DovetailError } from "../../../shared/errors.js";
import type { ConversationId } from "../../../shared/ids.js";
import {
  CloseCode,
  deviceBytes,
  HASH_BYTES,
  linkBytes,
  type RelayFrame,
} from "../../../shared/protocol.js";
import { Client, World } from "../world.js";
import { MemoryBusHub } from "./memory-bus.js";

const NAMES = ["1", "2", "3"].map((digit) => digit.repeat(32) as NodeId);

let world: World;
let hub: MemoryBusHub;
let relays: ReadonlyMap<NodeId, Relay>;
let alice: Client;
let bob: Client;
let talk: ConversationId;

const at = (node: NodeId, key?: Client["key"]): Client =>
  new Client(relays.get(node) as Relay, key);
const [first, second, third] = NAMES as [NodeId, NodeId, NodeId];
const others = (node: NodeId): NodeId[] => NAMES.filter((each) => each !== node);
const owner = (id: string): NodeId => new Ring(NAMES).owner(id);
const textsOf = (client: Client): string[] =>
  client
    .all("entries")
    .flatMap(({ entries }) => entries.map(({ payload }) => new TextDecoder().decode(payload)));
const presenceOf = (client: Client, of: Client) =>
  client
    .all("presence")
    .map(({ presence }) => presence)
    .filter(({ userId }) => userId === of.userId)
    .at(-1);
const states = (answer: RelayFrame) => (answer.type === "presences" ? answer.states : []);

async function add(client: Client, to: Client): Promise<void> {
  const { publicKey, deviceId } = client.key;
  const signature = to.sign(deviceBytes(to.userId, publicKey, "phone"));
  await world.store.directory.addDevice({
    deviceId,
    userId: to.userId,
    name: "phone",
    publicKey,
    addedAt: world.clock.now(),
    removed: false,
    addedBy: { deviceId: to.key.deviceId, signature },
  });
}

beforeEach(async () => {
  world = await World.open();
  hub = new MemoryBusHub();
  // Nobody is dropped for saying nothing while the clock is moved on.
  const config = { heartbeatMs: 3_600_000, conversationRate: 10 };
  relays = new Map(NAMES.map((node) => [node, world.anotherRelay(config, hub.join(node))]));
  alice = at(first);
  bob = at(second);
  await alice.register("alice");
  await bob.register("bob");
  talk = await alice.open(bob.userId);
  await bob.got("conversation");
});

describe("two people at two nodes", () => {
  it("write to each other, and no word comes twice or to its writer", async () => {
    const texts = Array.from({ length: 20 }, (_, i) => `word ${i}`);
    await Promise.all(texts.map((text, i) => alice.append(talk, i + 1, [text])));
    await bob.until(() => textsOf(bob).length === 20);
    expect(textsOf(bob)).toEqual(texts);
    await bob.append(talk, 1, ["answer"]);
    await alice.until(() => textsOf(alice).length > 0);
    expect(textsOf(alice)).toEqual(["answer"]);
    expect(await alice.log(talk)).toEqual(await bob.log(talk));
  });

  it("see each other's receipts and typing, come and go", async () => {
    const watched = await alice.ask({ type: "watchPresence", userIds: [bob.userId] });
    expect(states(watched)).toMatchObject([{ devices: [bob.key.deviceId] }]);
    await alice.append(talk, 1, ["hello"]);
    await bob.ask({
      type: "moveCursors",
      conversationId: talk,
      deliveredUpTo: 1,
      readUpTo: 1,
    });
    expect(await alice.got("cursors")).toMatchObject({ userId: bob.userId, readUpTo: 1 });
    bob.tell({ type: "typing", conversationId: talk, active: true });
    expect(await alice.got("typing")).toMatchObject({ userId: bob.userId });
    bob.session.closed();
    await alice.until(() => presenceOf(alice, bob)?.devices.length === 0);
  });

  it("signal each other, until one blocks the other", async () => {
    const to = bob.key.deviceId;
    const payload = new Uint8Array([1]);
    expect(await alice.ask({ type: "signal", deviceId: to, payload })).toMatchObject({
      type: "done",
    });
    expect(await bob.got("signal")).toMatchObject({ deviceId: alice.key.deviceId });
    await alice.ask({ type: "watchPresence", userIds: [bob.userId] });
    await bob.ask({ type: "block", userId: alice.userId, blocked: true });
    await alice.until(() => presenceOf(alice, bob)?.devices.length === 0);
    expect(await alice.ask({ type: "signal", deviceId: to, payload })).toMatchObject({
      code: "not_online",
    });
  });

  it("share a group that one of them makes, and lose it with the membership", async () => {
    const club = "c1".repeat(16) as ConversationId;
    await alice.createGroup(club, [bob.userId]);
    await bob.until(() => bob.all("conversation").some((each) => each.conversation.head === 1));
    await bob.append(club, 1, ["here"]);
    await alice.change(club, 1, { removes: [bob.userId] });
    expect(await bob.append(club, 2, ["still here"])).toMatchObject({ code: "not_a_member" });
  });
});

describe("two devices of one person at two nodes", () => {
  it("agree where the person is", async () => {
    const phone = at(third);
    await add(phone, alice);
    await phone.authenticate();
    await alice.until(() => alice.all("attention").at(-1)?.devices.length === 2);
    alice.tell({ type: "attention", conversationId: talk, usedAgo: 0 });
    const told = await phone.until(() =>
      phone
        .all("attention")
        .at(-1)
        ?.devices.find(({ conversationId }) => conversationId === talk),
    );
    expect(told.deviceId).toBe(alice.key.deviceId);
  });

  it("end with the device: connected anew elsewhere, or removed", async () => {
    const again = at(third, alice.key);
    await again.authenticate();
    expect(await alice.closed()).toBeGreaterThan(0);
    const phone = at(second);
    await add(phone, again);
    await phone.authenticate();
    await again.until(() => again.all("devicesChanged").length > 0);
    await again.ask({ type: "removeDevice", deviceId: phone.key.deviceId });
    expect(phone.closedWith).toBeTruthy();
    expect(phone.all("error").at(-1)?.code).toBe("device_removed");
    for (const node of NAMES) {
      const back = at(node, phone.key);
      void back.authenticate();
      expect((await back.got("error")).code).toBe("device_removed");
    }
  });
});

describe("a device that goes from node to node", () => {
  it("has one connection: the newest", async () => {
    const again = at(third, alice.key);
    await again.authenticate();
    expect(await alice.closed()).toBe(CloseCode.replaced);
    const back = at(first, alice.key);
    await back.authenticate();
    expect(await again.closed()).toBe(CloseCode.replaced);
    expect(back.closedWith).toBeNull();
  });

  it("opens no more conversations an hour than it might at one", async () => {
    const answers: RelayFrame[] = [];
    for (const node of NAMES) {
      const here = at(node, alice.key);
      await here.authenticate();
      for (let i = 0; i < 5; i++) {
        answers.push(await here.ask({ type: "openConversation", userId: bob.userId }));
      }
    }
    // One was opened before.
    expect(answers.filter(({ type }) => type === "opened")).toHaveLength(9);
    expect(answers.at(-1)).toMatchObject({ code: "rate_limited", retryAfterMs: 360_000 });
  });
});

describe("a node that is cut off and believes that it owns a log", () => {
  it("cannot fork it, and neither tells anybody of less than they know", async () => {
    const owning = owner(talk);
    const here = at(owning, alice.key);
    await here.authenticate();
    const there = at(others(owning)[0] as NodeId, bob.key);
    await there.authenticate();
    await here.append(talk, 1, ["before"]);
    hub.cut(owning);
    // The others own the log from now on, and so does the one that hears nothing.
    await there.ask({ type: "getDevices" });
    const [mine, theirs] = await Promise.all([
      here.append(talk, 2, ["of the old owner"]),
      there.append(talk, 1, ["of the new owner"]),
    ]);
    expect([mine, theirs].map(({ type }) => type)).toEqual(["appended", "appended"]);
    await there.append(talk, 2, ["more of the new owner"]);
    expect(await here.log(talk)).toEqual(await there.log(talk));
    expect(await here.page(talk, 1)).toMatchObject({ head: 4, seqs: [1, 2, 3, 4] });
  });

  it("tells its people what they have missed when it is heard again", async () => {
    const cutOff = first;
    await alice.ask({ type: "getChanges", after: 0, limit: 100 });
    hub.cut(cutOff);
    const there = at(second, bob.key);
    await there.authenticate();
    await there.append(talk, 1, ["unheard"]);
    hub.heal(cutOff);
    await there.ask({ type: "getDevices" });
    world.clock.advance(2_000);
    await there.ask({ type: "getDevices" });
    world.clock.advance(100);
    const told = await alice.until(() =>
      alice.all("conversation").find(({ conversation }) => conversation.head === 1),
    );
    expect(told.stamp).toBeGreaterThan(0);
    await there.append(talk, 2, ["heard"]);
    await alice.until(() => textsOf(alice).includes("heard"));
  });
});

describe("what a node remembers", () => {
  it("of a device that was removed where it was not heard is forgotten when it is heard again", async () => {
    const owning = owner(talk);
    const there = at(owning, bob.key);
    await there.authenticate();
    const { deviceId } = alice.key;
    const handIn = (n: number) =>
      there.append(talk, n, ["late"], {
        of: deviceId,
        signatures: [alice.signatureOf(talk, n, "late")],
      });
    expect(await handIn(1)).toMatchObject({ type: "appended" });
    hub.cut(owning);
    await world.store.directory.removeDevice(alice.userId, deviceId);
    hub.heal(owning);
    await there.ask({ type: "getDevices" });
    expect(await handIn(2)).toMatchObject({ code: "device_removed" });
  });

  it("of whom a client watches reaches a new owner, also where that could not take it at once", async () => {
    const owning = owner(bob.userId);
    const [one, two] = others(owning) as [NodeId, NodeId];
    const here = at(one, alice.key);
    const there = at(two, bob.key);
    await here.authenticate();
    await there.authenticate();
    await here.ask({ type: "watchPresence", userIds: [bob.userId] });
    const failing = vi
      .spyOn(world.store.logs, "conversation")
      .mockRejectedValue(new DovetailError("storage_failed"));
    hub.kill(owning);
    await here.ask({ type: "getDevices" });
    await vi.waitFor(() => expect(failing).toHaveBeenCalled());
    failing.mockRestore();
    await here.ask({ type: "getDevices" });
    world.clock.advance(1_000);
    await here.until(() => presenceOf(here, bob)?.devices.length === 1);
    there.session.closed();
    await here.until(() => presenceOf(here, bob)?.devices.length === 0);
  });
});

it("a new device that waits at a pairing place is told when others ask for it elsewhere", async () => {
  const fourth = "4".repeat(32) as NodeId;
  const more = new Ring([...NAMES, fourth]);
  // Of people whose shard stays where it is, and of places that move from one node to the fourth.
  let person = alice;
  for (let i = 0; more.owner(person.userId) === fourth; i++) {
    person = at(first);
    await person.register(`person${i}`);
  }
  const places = Array.from({ length: 1_000 }, (_, i) => fromHex(i.toString(16).padStart(32, "0")));
  const moving = places.find(
    (each) => owner(toHex(each)) === second && more.owner(toHex(each)) === fourth,
  );
  expect(moving).toBeDefined();
  await person.ask({ type: "openPairing", place: moving as Uint8Array });
  const joining = at(third);
  const { relay, nonce } = await joining.challenge();
  const asked = {
    place: moving as Uint8Array,
    publicKey: joining.key.publicKey,
    deviceName: "phone",
  };
  const signature = joining.sign(linkBytes(relay, nonce, asked));
  joining.tell({ type: "link", ...asked, proof: new Uint8Array(HASH_BYTES), signature });
  await person.got("linking");
  world.anotherRelay({}, hub.join(fourth));
  await joining.closed();
  expect(joining.all("error").at(-1)?.code).toBe("pairing_unknown");
});

describe("a device that is removed while its node is cut off", () => {
  let phone: Client;
  beforeEach(async () => {
    phone = at(third);
    await add(phone, alice);
    await phone.authenticate();
    await alice.until(() => alice.all("devicesChanged").length > 0);
    hub.cut(third);
    // Once the others have noticed.
    await alice.ask({ type: "getDevices" });
    const { deviceId } = phone.key;
    expect(await alice.ask({ type: "removeDevice", deviceId })).toMatchObject({ type: "done" });
    expect(phone.closedWith).toBeNull();
  });

  it("is out as soon as the node is heard again", async () => {
    hub.heal(third);
    await alice.ask({ type: "getDevices" });
    world.clock.advance(2_000);
    await phone.closed();
    expect(phone.all("error").at(-1)?.code).toBe("device_removed");
  });

  it("is out within minutes where the node is not heard again", async () => {
    for (let minutes = 0; minutes < 6; minutes++) {
      world.clock.advance(60_000);
      // Whoever looks looks again after that.
      await alice.ask({ type: "getDevices" });
    }
    await phone.closed();
    expect(phone.all("error").at(-1)?.code).toBe("device_removed");
  });
});

it("an operator's wish reaches the owner of a user's shard and the device, wherever both are", async () => {
  for (const node of NAMES) {
    const answer = await relays
      .get(node)
      ?.askAsUser(bob.userId, { type: "getDevices", requestId: 0 });
    expect(answer).toMatchObject({ devices: [{ deviceId: bob.key.deviceId, connected: true }] });
  }
  const [elsewhere] = others(owner(bob.userId));
  const { deviceId } = bob.key;
  const wish = { type: "removeDevice", requestId: 0, deviceId } as const;
  await relays.get(elsewhere as NodeId)?.askAsUser(bob.userId, wish);
  await bob.closed();
  expect(bob.all("error").at(-1)?.code).toBe("device_removed");
  await expect(
    relays
      .get(elsewhere as NodeId)
      ?.askAsUser(bob.userId, { ...wish, deviceId: alice.key.deviceId }),
  ).rejects.toMatchObject({ code: "not_found" });
});

it("one node deletes for all what has to go", () => {
  const swept = vi.spyOn(world.store.logs, "eraseExpired");
  world.clock.advance(10_000);
  // The world has a relay of its own, which is not on the bus.
  expect(swept).toHaveBeenCalledTimes(2);
});

describe("a node that is gone", () => {
  it("leaves its shards to the others, and nothing acknowledged with it", async () => {
    const owning = owner(talk);
    const [one, two] = others(owning) as [NodeId, NodeId];
    const here = at(one, alice.key);
    const there = at(two, bob.key);
    await here.authenticate();
    await there.authenticate();
    await here.append(talk, 1, ["before"]);
    hub.kill(owning);
    // Asked in the moment when it goes, it is asked again.
    for (let answer: RelayFrame["type"] = "error"; answer === "error"; ) {
      answer = (await here.append(talk, 2, ["after"])).type;
    }
    await there.until(() => textsOf(there).includes("after"));
    expect(await there.log(talk)).toEqual(["before", "after"]);
  });

  it("is answered for at once: who asks it is told to come again", async () => {
    const owning = owner(talk);
    const here = at(others(owning)[0] as NodeId, alice.key);
    await here.authenticate();
    // It takes the question and never answers.
    let release = () => {};
    world.kv.gate = new Promise((resolve) => {
      release = resolve;
    });
    const asked = here.append(talk, 1, ["unknown"]);
    await here.until(() => true);
    hub.kill(owning);
    expect(await asked).toMatchObject({ type: "error", code: "overloaded" });
    world.kv.gate = null;
    release();
    expect(await here.append(talk, 1, ["unknown"])).toMatchObject({ places: [{ seq: 1 }] });
  });
});
