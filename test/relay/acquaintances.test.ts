import { beforeEach, describe, expect, it } from "vitest";
import { Acquaintances } from "../../relay/core/acquaintances.js";
import type { Conversations } from "../../relay/core/conversations.js";
import type { Directory, LogStore } from "../../relay/core/ports.js";
import type { ConversationId, UserId } from "../../shared/ids.js";
import { MAX_RECEIPT_MEMBERS, MESH_MEMBERS } from "../../shared/limits.js";
import { nodeCrypto } from "../../shared/node/runtime.js";
import { type Client, World } from "./world.js";

let world: World;
let alice: Client;
let bob: Client;
const club = "c1".repeat(16) as ConversationId;
const payload = Uint8Array.of(1);

beforeEach(async () => {
  world = await World.open();
  alice = await world.person("alice");
  bob = await world.person("bob");
});

const sees = async (asker: Client, user: Client): Promise<boolean> => {
  const answer = await asker.ask({ type: "getPresence", userIds: [user.userId] });
  return answer.type === "presences" && (answer.states[0]?.devices.length ?? 0) > 0;
};
const watch = (client: Client, user: Client) =>
  client.ask({ type: "watchPresence", userIds: [user.userId] });
const signal = (from: Client, to: Client) =>
  from.ask({ type: "signal", deviceId: to.key.deviceId, payload });
const block = (by: Client, user: UserId, blocked = true) =>
  by.ask({ type: "block", userId: user, blocked });
const strangers = (count: number): Promise<Client[]> =>
  Promise.all(Array.from({ length: count }, (_, i) => world.person(`user_${i}`)));
const ids = (clients: readonly Client[]): UserId[] => clients.map(({ userId }) => userId);

describe("people of one group", () => {
  it("see and signal each other as long as they share it", async () => {
    expect(await sees(bob, alice)).toBe(false);
    await alice.createGroup(club, [bob.userId]);
    expect(await sees(bob, alice)).toBe(true);
    expect(await signal(bob, alice)).toMatchObject({ type: "done" });
    await alice.change(club, 1, { removes: [bob.userId] });
    expect(await sees(bob, alice)).toBe(false);
    expect(await signal(bob, alice)).toMatchObject({ code: "not_found" });
  });

  it("who watches is told when they begin and cease to share one", async () => {
    await watch(bob, alice);
    await alice.createGroup(club, [bob.userId]);
    expect((await bob.got("presence", 1)).presence.devices).toEqual([alice.key.deviceId]);
    await alice.change(club, 1, { removes: [bob.userId] });
    expect((await bob.got("presence", 2)).presence).toMatchObject({ devices: [], lastSeen: 0 });
    alice.session.closed();
    await bob.state(club);
    expect(bob.all("presence")).toHaveLength(2);
  });

  it("do not by one that is too large for a mesh", async () => {
    const others = await strangers(MESH_MEMBERS - 1);
    await alice.createGroup(club, [bob.userId, ...ids(others)]);
    expect(await sees(bob, alice)).toBe(false);
    await alice.change(club, 1, { removes: [others[0]?.userId as UserId] });
    expect(await sees(bob, alice)).toBe(true);
  });
});

it("looks up once that two have a direct conversation, and again as long as they have none", async () => {
  const looked: ConversationId[] = [];
  let there: { kind: "direct" } | null = null;
  const conversations = {
    look: async (id: ConversationId) => {
      looked.push(id);
      return there;
    },
  } as unknown as Conversations;
  const logs = { groupsOf: async () => [] } as unknown as LogStore;
  const directory = {} as Directory;
  const ports = { logs, directory, crypto: nodeCrypto };
  const acquaintances = new Acquaintances(ports, conversations, null, null);
  const [a, b] = [alice.userId, bob.userId];
  expect(await acquaintances.acquainted(a, b)).toBe(false);
  there = { kind: "direct" };
  expect(await acquaintances.acquainted(a, b)).toBe(true);
  expect(await acquaintances.acquainted(b, a)).toBe(true);
  expect(looked).toHaveLength(2);
});

describe("somebody who is blocked", () => {
  beforeEach(async () => {
    await alice.open(bob.userId);
    await watch(bob, alice);
  });

  it("sees the other go and be gone, and cannot signal to it", async () => {
    expect(await block(alice, bob.userId)).toMatchObject({ type: "done" });
    expect((await bob.got("presence")).presence).toMatchObject({ devices: [], lastSeen: 0 });
    expect(await sees(bob, alice)).toBe(false);
    expect(await signal(bob, alice)).toMatchObject({ code: "not_online" });
    const anew = world.connect(alice.key);
    await anew.authenticate();
    anew.session.closed();
    expect(await sees(bob, alice)).toBe(false);
    expect(bob.all("presence")).toHaveLength(1);
  });

  it("is seen as before, and writes as before", async () => {
    await block(alice, bob.userId);
    const talk = await bob.open(alice.userId);
    expect(await sees(alice, bob)).toBe(true);
    expect(await bob.append(talk, 1, ["hello?"])).toMatchObject({ type: "appended" });
    expect((await alice.got("entries")).entries).toHaveLength(1);
  });

  it("is not told that the other types", async () => {
    const talk = await bob.open(alice.userId);
    await block(alice, bob.userId);
    alice.tell({ type: "typing", conversationId: talk, active: true });
    await alice.state(talk);
    expect(bob.all("typing")).toEqual([]);
    bob.tell({ type: "typing", conversationId: talk, active: true });
    expect(await alice.got("typing")).toMatchObject({ userId: bob.userId });
  });

  it("stays so across a restart, until it ends", async () => {
    await block(alice, bob.userId);
    const relay = world.anotherRelay();
    const there = await Promise.all(
      [alice, bob].map(async ({ key }) => {
        const client = world.connect(key, relay);
        await client.authenticate();
        return client;
      }),
    );
    const [aliceThere, bobThere] = there as [Client, Client];
    expect(await sees(bobThere, aliceThere)).toBe(false);
    await block(aliceThere, bob.userId, false);
    expect(await sees(bobThere, aliceThere)).toBe(true);
  });

  it("has to be somebody else who is there", async () => {
    for (const user of [alice.userId, "0".repeat(32) as UserId]) {
      expect(await block(alice, user)).toMatchObject({ code: "not_found" });
    }
  });
});

describe("cursors in a group", () => {
  const move = (client: Client, upTo: number) =>
    client.ask({
      type: "moveCursors",
      conversationId: club,
      deliveredUpTo: upTo,
      readUpTo: upTo,
    });
  const changed = async (client: Client, after: number): Promise<boolean> => {
    const answer = await client.ask({ type: "getChanges", after, limit: 10 });
    return answer.type === "changes" && answer.conversations.length > 0;
  };

  it.each([
    ["are told to all in a small one", MAX_RECEIPT_MEMBERS, true],
    ["are for oneself, and for who asks, in a large one", MAX_RECEIPT_MEMBERS + 1, false],
  ])("%s", async (_what, size, told) => {
    const others = await strangers(size - 2);
    await alice.createGroup(club, [bob.userId, ...ids(others)]);
    const { stamp } = await bob.got("entries");
    await move(bob, 1);
    expect(alice.all("cursors")).toHaveLength(told ? 1 : 0);
    expect(await changed(alice, stamp)).toBe(told);
    expect(await changed(bob, stamp)).toBe(true);
    const { members } = await alice.state(club);
    expect(members.find(({ userId }) => userId === bob.userId)).toMatchObject({ readUpTo: 1 });
  });
});
