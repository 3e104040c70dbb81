import { beforeEach, describe, expect, it } from "vitest";
import { ENTRY_BYTES, MAX_COMMIT_BYTES, MAX_RECENT_ENTRIES } from "../../relay/core/bounds.js";
import type { ConversationId } from "../../shared/ids.js";
import { type Client, World } from "./world.js";

let world: World;
let alice: Client;
let bob: Client;
let talk: ConversationId;

beforeEach(async () => {
  world = await World.open();
  alice = await world.person("alice");
  bob = await world.person("bob");
  talk = await alice.open(bob.userId);
});

const places = (...seqs: number[]) => ({
  type: "appended",
  places: seqs.map((seq) => expect.objectContaining({ seq })),
});

describe("appending", () => {
  it("gives places without holes and pushes to the others, not to the sender", async () => {
    expect(await alice.append(talk, 1, ["one", "two"])).toMatchObject(places(1, 2));
    expect(await bob.got("entries")).toMatchObject({
      conversationId: talk,
      entries: [
        { seq: 1, n: 1, userId: alice.userId },
        { seq: 2, n: 2 },
      ],
    });
    expect(alice.all("entries")).toEqual([]);
  });

  it("answers the same entry twice with the same place", async () => {
    const first = await alice.append(talk, 1, ["one", "two"]);
    const again = await alice.append(talk, 1, ["one", "two"]);
    expect(again).toMatchObject({ places: (first as { places: unknown }).places as object });
    expect(await alice.append(talk, 2, ["two", "three"])).toMatchObject(places(2, 3));
    expect(await alice.log(talk)).toEqual(["one", "two", "three"]);
    expect(world.counts.get("duplicates")).toBe(3);
  });

  it("answers for what was just appended from memory, and for older entries from the store", async () => {
    const { logs } = world.store;
    const byOrigin = logs.byOrigin.bind(logs);
    const asked: number[] = [];
    logs.byOrigin = (id, device, fromN, toN) => {
      asked.push(fromN);
      return byOrigin(id, device, fromN, toN);
    };
    const texts = Array.from({ length: MAX_RECENT_ENTRIES + 1 }, (_, i) => `${i}`);
    await alice.append(talk, 1, texts);
    expect(await alice.append(talk, 2, texts.slice(1))).toMatchObject({
      places: texts.slice(1).map((_, i) => expect.objectContaining({ seq: i + 2 })),
    });
    expect(asked).toEqual([]);
    expect(await alice.append(talk, 1, texts.slice(0, 3))).toMatchObject(places(1, 2, 3));
    expect(asked).toEqual([1]);
    expect(await alice.append(talk, 2, ["another"])).toMatchObject({ code: "origin_conflict" });
  });

  it("writes a great many at once in parts that a store can take", async () => {
    const { logs } = world.store;
    const commit = logs.commit.bind(logs);
    const sizes: number[] = [];
    logs.commit = (changes) => {
      sizes.push(changes.reduce((sum, { entries }) => sum + entries.length, 0));
      return commit(changes);
    };
    const texts = Array.from({ length: 200 }, () => "");
    const appends = Array.from({ length: 50 }, (_, i) => alice.append(talk, 1 + i * 200, texts));
    expect(await appends.at(-1)).toMatchObject({ type: "appended" });
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(10_000);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(MAX_COMMIT_BYTES / ENTRY_BYTES + 200);
  });

  it("refuses another content under the same origin", async () => {
    await alice.append(talk, 1, ["one"]);
    expect(await alice.append(talk, 1, ["other", "two"])).toMatchObject({
      code: "origin_conflict",
    });
    expect(await alice.log(talk)).toEqual(["one"]);
  });

  it("refuses a gap and says what it expects", async () => {
    await alice.append(talk, 1, ["one"]);
    expect(await alice.append(talk, 3, ["three"])).toMatchObject({
      code: "out_of_order",
      expected: 2,
    });
    expect(await alice.append(talk, 0, ["zero"])).toMatchObject({
      code: "out_of_order",
      expected: 1,
    });
  });

  it("keeps the order of requests that were not waited for", async () => {
    const texts = Array.from({ length: 50 }, (_, i) => `${i}`);
    const answers = texts.map((text, i) => alice.append(talk, i + 1, [text]));
    for (const answer of await Promise.all(answers)) expect(answer.type).toBe("appended");
    expect(await bob.log(talk)).toEqual(texts);
  });

  it("writes what waits in one batch", async () => {
    let release = (): void => {};
    world.kv.gate = new Promise((resolve) => {
      release = resolve;
    });
    const before = world.kv.durableBatches;
    const answers = Array.from({ length: 20 }, (_, i) => alice.append(talk, i + 1, [`${i}`]));
    release();
    await Promise.all(answers);
    expect(world.kv.durableBatches - before).toBeLessThanOrEqual(2);
  });

  it("acknowledges nothing before it is durable", async () => {
    let release = (): void => {};
    world.kv.gate = new Promise((resolve) => {
      release = resolve;
    });
    const answer = alice.append(talk, 1, ["one"]);
    // A read takes the same way and more, so an early acknowledgement would have come before it.
    expect(await alice.log(talk)).toEqual([]);
    expect(alice.all("appended")).toEqual([]);
    release();
    expect(await answer).toMatchObject(places(1));
  });

  it("is for members only, as is reading", async () => {
    const carol = await world.person("carol");
    expect(await carol.append(talk, 1, ["x"])).toMatchObject({ code: "not_a_member" });
    expect(
      await carol.ask({ type: "getEntries", conversationId: talk, fromSeq: 1, limit: 1 }),
    ).toMatchObject({ code: "not_a_member" });
    const nowhere = "0".repeat(32) as ConversationId;
    expect(await alice.append(nowhere, 1, ["x"])).toMatchObject({ code: "not_found" });
  });

  it("tells devices that hold the payload the place only", async () => {
    await alice.append(talk, 1, ["direct"], { heldBy: [bob.key.deviceId] });
    expect(await bob.got("placed")).toMatchObject({ placements: [{ seq: 1, n: 1 }] });
    expect(bob.all("entries")).toEqual([]);
    expect(world.counts.get("appendedDirect")).toBe(1);
  });

  it("pushes in the order of growing stamps", async () => {
    const answers = Array.from({ length: 30 }, (_, i) => alice.append(talk, i + 1, [`${i}`]));
    await Promise.all(answers);
    const stamps = bob.all("entries").map((frame) => frame.stamp);
    expect(stamps).toHaveLength(30);
    expect(stamps.every((stamp, i) => i === 0 || stamp > (stamps[i - 1] ?? 0))).toBe(true);
  });

  it("cuts a push that would not fit a frame", async () => {
    const texts = Array.from({ length: 15 }, () => "x".repeat(60_000));
    await alice.append(talk, 1, texts);
    await bob.until(() => bob.all("entries").flatMap((frame) => frame.entries).length === 15);
    expect(new Set(bob.all("entries").map((frame) => frame.stamp)).size).toBe(2);
  });
});

describe("handing in for somebody else", () => {
  it("takes an entry with its author's signature, and the author's own attempt is a duplicate", async () => {
    const signatures = [alice.signatureOf(talk, 1, "hello")];
    const handedIn = await bob.append(talk, 1, ["hello"], { of: alice.key.deviceId, signatures });
    expect(handedIn).toMatchObject(places(1));
    expect(await alice.got("placed")).toMatchObject({ placements: [{ seq: 1, n: 1 }] });
    expect(await alice.append(talk, 1, ["hello"])).toMatchObject(places(1));
    expect(await bob.log(talk)).toEqual(["hello"]);
    expect(world.counts.get("handedIn")).toBe(1);
  });

  it.each([
    ["changed text", () => [alice.signatureOf(talk, 1, "other")]],
    ["another number", () => [alice.signatureOf(talk, 2, "hello")]],
    ["the bearer's own key", () => [bob.signatureOf(talk, 1, "hello")]],
    ["no signature", () => []],
  ])("refuses %s", async (_what, signatures) => {
    const of = alice.key.deviceId;
    expect(await bob.append(talk, 1, ["hello"], { of, signatures: signatures() })).toMatchObject({
      code: "bad_signature",
    });
    expect(await bob.log(talk)).toEqual([]);
  });

  it("refuses entries of somebody who is not a member", async () => {
    const carol = await world.person("carol");
    const signatures = [carol.signatureOf(talk, 1, "hi")];
    expect(await bob.append(talk, 1, ["hi"], { of: carol.key.deviceId, signatures })).toMatchObject(
      { code: "not_a_member" },
    );
  });
});

describe("two relays that both believe they own a log", () => {
  it("cannot fork it: who is behind reloads and appends after", async () => {
    const second = world.anotherRelay();
    const bobThere = world.connect(bob.key, second);
    await bobThere.authenticate();
    await alice.append(talk, 1, ["alice 1"]);
    expect(await bobThere.append(talk, 1, ["bob 1"])).toMatchObject(places(2));
    expect(await alice.append(talk, 2, ["alice 2"])).toMatchObject(places(3));
    expect(world.counts.get("conflicts")).toBe(1);
    expect(await bobThere.append(talk, 2, ["bob 2"])).toMatchObject(places(4));
    for (const reader of [alice, bobThere]) {
      expect(
        await reader.ask({
          type: "getEntries",
          conversationId: talk,
          fromSeq: 1,
          limit: 10,
        }),
      ).toMatchObject({ entries: [{ seq: 1 }, { seq: 2 }, { seq: 3 }, { seq: 4 }] });
    }
  });

  it("answer an entry that came by both with one place", async () => {
    const second = world.anotherRelay();
    const bobThere = world.connect(bob.key, second);
    await bobThere.authenticate();
    const of = alice.key.deviceId;
    const signatures = [alice.signatureOf(talk, 1, "once")];
    // Both know the log now, and neither hears of what the other appends.
    await bobThere.log(talk);
    const [own, handedIn] = await Promise.all([
      alice.append(talk, 1, ["once"]),
      bobThere.append(talk, 1, ["once"], { of, signatures }),
    ]);
    expect([own, handedIn]).toMatchObject([places(1), places(1)]);
    expect(await alice.log(talk)).toEqual(["once"]);
  });
});

describe("entries of several devices in one request", () => {
  const payload = (text: string) => new TextEncoder().encode(text);
  const own = (n: number, text: string) => ({
    deviceId: bob.key.deviceId,
    n,
    ttl: 0,
    signature: null,
    payload: payload(text),
  });
  const alices = (n: number, text: string) => ({
    deviceId: alice.key.deviceId,
    n,
    ttl: 0,
    signature: alice.signatureOf(talk, n, text),
    payload: payload(text),
  });
  const handIn = (entries: ReturnType<typeof own | typeof alices>[]) =>
    bob.ask({ type: "append", conversationId: talk, entries, heldBy: [alice.key.deviceId] });

  it("stand in the order in which they were handed in, those already there where they are", async () => {
    await alice.append(talk, 1, ["a1"]);
    const answer = await handIn([alices(1, "a1"), own(1, "b1"), alices(2, "a2"), own(2, "b2")]);
    expect(answer).toMatchObject(places(1, 2, 3, 4));
    expect(await alice.log(talk)).toEqual(["a1", "b1", "a2", "b2"]);
    expect(await alice.got("placed")).toMatchObject({
      placements: [{ seq: 2 }, { seq: 3 }, { seq: 4 }],
    });
  });

  it("are all refused where one is: a gap, one twice, or a wrong signature", async () => {
    expect(await handIn([own(1, "b1"), alices(2, "a2")])).toMatchObject({
      code: "out_of_order",
      expected: 1,
    });
    expect(await handIn([own(1, "b1"), own(1, "b1")])).toMatchObject({ code: "out_of_order" });
    const forged = { ...alices(1, "a1"), payload: payload("forged") };
    expect(await handIn([own(1, "b1"), forged])).toMatchObject({ code: "bad_signature" });
    expect(await alice.log(talk)).toEqual([]);
  });
});

describe("what nobody takes", () => {
  const refused = { code: "overloaded", retryAfterMs: 600_000 };
  const taken = (by: Client, deliveredUpTo: number) =>
    by.ask({ type: "moveCursors", conversationId: talk, deliveredUpTo, readUpTo: 0 });

  beforeEach(async () => {
    world = await World.open({ undeliveredLimit: 3 });
    alice = await world.person("alice");
    bob = await world.person("bob");
    talk = await alice.open(bob.userId);
  });

  it("is refused above a limit, and what was refused is taken once somebody has taken the rest", async () => {
    expect(await alice.append(talk, 1, ["1", "2", "3"])).toMatchObject(places(1, 2, 3));
    expect(await alice.append(talk, 4, ["4"])).toMatchObject(refused);
    expect(await alice.log(talk)).toEqual(["1", "2", "3"]);
    expect((await taken(bob, 1)).type).toBe("done");
    expect(await alice.append(talk, 4, ["4"])).toMatchObject(places(4));
    expect(await alice.append(talk, 5, ["5"])).toMatchObject(refused);
  });

  it("is refused also where its writer says that devices hold it", async () => {
    const heldBy = [bob.key.deviceId];
    expect(await alice.append(talk, 1, ["1", "2", "3"], { heldBy })).toMatchObject(places(1, 2, 3));
    expect(await alice.append(talk, 4, ["4"], { heldBy })).toMatchObject(refused);
    await taken(bob, 3);
    expect(await alice.append(talk, 4, ["4"], { heldBy })).toMatchObject(places(4));
  });

  it("answers again for what has its place, and lets the other write", async () => {
    await alice.append(talk, 1, ["1", "2", "3"]);
    expect(await alice.append(talk, 2, ["2", "3"])).toMatchObject(places(2, 3));
    await taken(alice, 3);
    expect(await bob.append(talk, 1, ["4"])).toMatchObject(places(4));
  });

  it("does not count what one keeps for oneself", async () => {
    const notes = await alice.open(alice.userId);
    const mine = await alice.append(notes, 1, ["1", "2", "3", "4", "5"]);
    expect(mine).toMatchObject(places(1, 2, 3, 4, 5));
  });
});
