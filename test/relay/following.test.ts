import { setImmediate } from "node:timers/promises";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { DovetailError } from "../../shared/errors.js";
import type { ConversationId, DeviceId } from "../../shared/ids.js";
import { type Client, World } from "./world.js";

let world: World;
let alice: Client;
let bob: Client;
let carol: Client;
let talk: ConversationId;

beforeEach(async () => {
  world = await World.open();
  alice = await world.person("alice");
  bob = await world.person("bob");
  carol = await world.person("carol");
  talk = await alice.open(bob.userId);
});

const changes = (client: Client, after: number, limit = 100) =>
  client.ask({ type: "getChanges", after, limit });
const move = (client: Client, deliveredUpTo: number, readUpTo: number) =>
  client.ask({ type: "moveCursors", conversationId: talk, deliveredUpTo, readUpTo });
const cursorsOf = async (client: Client) => {
  const opened = await client.ask({ type: "getConversation", conversationId: talk });
  return opened.type === "opened" ? opened.conversation.members : [];
};

describe("conversations", () => {
  it("are the same whoever opens them, at once or later", async () => {
    const [one, two] = await Promise.all([bob.open(carol.userId), carol.open(bob.userId)]);
    expect(one).toBe(two);
    expect(await bob.open(alice.userId)).toBe(talk);
  });

  it("are told to both sides: no later stamp passes over them where the answer was lost", async () => {
    for (const side of [alice, bob]) {
      expect(await side.got("conversation")).toMatchObject({
        conversation: { conversationId: talk, kind: "direct", head: 0 },
      });
    }
  });

  it("with oneself are notes", async () => {
    const answer = await alice.ask({ type: "openConversation", userId: alice.userId });
    expect(answer).toMatchObject({
      conversation: { kind: "notes", members: [{ handle: "alice" }] },
    });
  });

  it("need somebody who is there", async () => {
    const userId = "0".repeat(32) as typeof alice.userId;
    expect(await alice.ask({ type: "openConversation", userId })).toMatchObject({
      code: "not_found",
    });
  });

  it("take an entry sent right behind their opening", async () => {
    const other = await bob.open(carol.userId);
    await alice.append(talk, 1, ["x"]);
    const opening = carol.ask({ type: "openConversation", userId: bob.userId });
    const appended = carol.append(other, 1, ["at once"]);
    expect((await opening).type).toBe("opened");
    expect(await appended).toMatchObject({ places: [{ seq: 1 }] });
  });
});

describe("pages of history", () => {
  it("come whole from memory and from the store, cut by count and by bytes", async () => {
    const texts = Array.from({ length: 100 }, (_, i) => `${i}`);
    await alice.append(talk, 1, texts);
    expect(await bob.log(talk)).toEqual(texts);
    const page = await bob.ask({
      type: "getEntries",
      conversationId: talk,
      fromSeq: 60,
      limit: 25,
    });
    expect(page).toMatchObject({ head: 100 });
    const seqs = page.type === "page" ? page.entries.map((entry) => entry.seq) : [];
    expect(seqs).toEqual(Array.from({ length: 25 }, (_, i) => 60 + i));

    const notes = await alice.open(alice.userId);
    await alice.append(
      notes,
      1,
      Array.from({ length: 15 }, () => "x".repeat(60_000)),
    );
    const cut = await alice.log(notes);
    expect(cut.length).toBe(13);
  });
});

describe("reconnecting", () => {
  it("costs what changed: each changed conversation once, in pages, oldest first", async () => {
    const known = await changes(bob, 0);
    const after = known.type === "changes" ? known.upTo : 0;
    expect(await changes(bob, after)).toEqual({
      type: "changes",
      requestId: expect.any(Number),
      conversations: [],
      upTo: after,
      more: false,
    });
    const withCarol = await carol.open(bob.userId);
    await alice.append(talk, 1, ["1", "2"]);
    await carol.append(withCarol, 1, ["1"]);
    await alice.append(talk, 3, ["3"]);

    const first = await changes(bob, after, 1);
    expect(first).toMatchObject({
      conversations: [{ conversationId: withCarol, head: 1 }],
      more: true,
    });
    const second = await changes(bob, first.type === "changes" ? first.upTo : 0, 1);
    expect(second).toMatchObject({
      conversations: [{ conversationId: talk, head: 3 }],
      more: false,
    });
  });

  it("has nothing to say of conversations of others", async () => {
    await alice.append(talk, 1, ["secret"]);
    expect(await changes(carol, 0)).toMatchObject({ conversations: [], upTo: 0 });
  });
});

describe("cursors", () => {
  it("are told to the others, move forward only, and not beyond the log", async () => {
    await alice.append(talk, 1, ["1", "2", "3"]);
    expect((await move(bob, 2, 1)).type).toBe("done");
    expect(await alice.got("cursors")).toMatchObject({
      userId: bob.userId,
      deliveredUpTo: 2,
      readUpTo: 1,
    });
    await move(bob, 1, 0);
    await move(bob, 99, 0);
    const members = await cursorsOf(alice);
    expect(members.find((member) => member.userId === bob.userId)).toMatchObject({
      deliveredUpTo: 3,
      readUpTo: 1,
    });
    expect(alice.all("cursors")).toHaveLength(2);
  });

  it("that are read were delivered", async () => {
    await alice.append(talk, 1, ["1"]);
    await move(bob, 0, 1);
    expect(await alice.got("cursors")).toMatchObject({ deliveredUpTo: 1, readUpTo: 1 });
  });

  it("are for members", async () => {
    expect(await move(carol, 1, 1)).toMatchObject({ code: "not_a_member" });
  });
});

describe("presence", () => {
  const watch = (client: Client, ...people: Client[]) =>
    client.ask({ type: "watchPresence", userIds: people.map((person) => person.userId) });

  it("is told at once and whenever it changes", async () => {
    expect(await watch(alice, bob)).toMatchObject({
      states: [{ userId: bob.userId, devices: [bob.key.deviceId], lastSeen: 0 }],
    });
    bob.session.closed();
    const left = await alice.got("presence");
    expect(left.presence).toEqual({
      userId: bob.userId,
      devices: [],
      lastSeen: world.clock.now(),
    });
    const again = world.connect(bob.key);
    await again.authenticate();
    expect((await alice.got("presence", 2)).presence.devices).toEqual([bob.key.deviceId]);
  });

  it("does not flicker when a device connects anew", async () => {
    await watch(alice, bob);
    await world.connect(bob.key).authenticate();
    expect(alice.all("presence").every((frame) => frame.presence.devices.length === 1)).toBe(true);
  });

  it("shows nothing to somebody with no common conversation, now or later", async () => {
    expect(await watch(carol, alice)).toMatchObject({
      states: [{ userId: alice.userId, devices: [], lastSeen: 0 }],
    });
    alice.session.closed();
    expect(await watch(carol, alice)).toMatchObject({ states: [{ lastSeen: 0 }] });
    expect(carol.all("presence")).toEqual([]);
  });

  it("outlives the relay as last seen", async () => {
    bob.session.closed();
    await world.relay.stop();
    const next = await World.open({}, world.kv);
    const again = next.connect(alice.key);
    await again.authenticate();
    expect(await again.ask({ type: "getPresence", userIds: [bob.userId] })).toMatchObject({
      states: [{ devices: [], lastSeen: world.clock.now() }],
    });
  });
});

describe("when many leave together", () => {
  const ids = ({ userId, key }: Client) => [key.deviceId, userId];

  /** All leave, and the store refuses to write when the first of them was last seen. */
  function leave() {
    const write = vi.spyOn(world.store.directory, "setLastSeen");
    write.mockRejectedValueOnce(new DovetailError("overloaded"));
    for (const client of [alice, bob, carol]) client.session.closed();
    return { write, of: () => write.mock.calls.map(([seen]) => [...seen.keys()]) };
  }

  it("two writes say when they were last seen, the second later where the first is refused", async () => {
    const leftAt = world.clock.now();
    const { write, of } = leave();
    await setImmediate();
    expect(of()).toEqual([ids(alice)]);
    world.clock.advance(1_000);
    await setImmediate();
    expect(of().slice(1)).toEqual([[...ids(bob), ...ids(carol), ...ids(alice)]]);
    await world.relay.stop();
    expect(write).toHaveBeenCalledTimes(2);
    const { directory } = world.store;
    expect(await directory.lastSeen(alice.userId)).toBe(leftAt);
    expect(await directory.lastSeen(carol.key.deviceId)).toBe(leftAt);
  });

  it("a relay that stops does not wait until later", async () => {
    const { of } = leave();
    await setImmediate();
    await world.relay.stop();
    expect(of()).toHaveLength(2);
    expect(await world.store.directory.lastSeen(alice.userId)).toBe(world.clock.now());
  });

  it("a relay stops also where the store refuses for good", async () => {
    const { write } = leave();
    write.mockRejectedValue(new DovetailError("internal"));
    await setImmediate();
    await world.relay.stop();
    expect(await world.store.directory.lastSeen(alice.userId)).toBe(0);
  });
});

describe("typing and signals", () => {
  it("typing reaches the other members only", async () => {
    alice.tell({ type: "typing", conversationId: talk, active: true });
    expect(await bob.got("typing")).toMatchObject({ userId: alice.userId, active: true });
    expect(carol.all("typing")).toEqual([]);
    expect(alice.all("typing")).toEqual([]);
  });

  it("a signal comes with the name of who sent it", async () => {
    const payload = Uint8Array.of(1, 2, 3);
    const { deviceId } = bob.key;
    expect((await alice.ask({ type: "signal", deviceId, payload })).type).toBe("done");
    expect(bob.all("signal")).toEqual([
      { type: "signal", userId: alice.userId, deviceId: alice.key.deviceId, payload },
    ]);
  });

  it("a signal goes to nobody one does not know, and to nobody away", async () => {
    const payload = new Uint8Array(1);
    const to = (deviceId: DeviceId) => ({ type: "signal", deviceId, payload }) as const;
    expect(await carol.ask(to(alice.key.deviceId))).toMatchObject({ code: "not_found" });
    expect(await alice.ask(to("0".repeat(32) as DeviceId))).toMatchObject({ code: "not_found" });
    bob.session.closed();
    expect(await alice.ask(to(bob.key.deviceId))).toMatchObject({ code: "not_online" });
  });
});

describe("searching", () => {
  it("finds handles by prefix, and nobody by none", async () => {
    const search = (prefix: string) => alice.ask({ type: "searchUsers", prefix, limit: 10 });
    expect(await search("bo")).toMatchObject({ people: [{ handle: "bob", userId: bob.userId }] });
    expect(await search("")).toMatchObject({ people: [] });
    expect(await search("../")).toMatchObject({ people: [] });
  });
});
