import { describe, expect, it, vi } from "vitest";
import { ANSWER_MS } from "../../relay/core/bounds.js";
import { DovetailError } from "../../shared/errors.js";
import type { ConversationId } from "../../shared/ids.js";
import { CloseCode } from "../../shared/protocol.js";
import { World } from "./world.js";

describe("a disk that fails", () => {
  it("acknowledges nothing, goes on reading, and recovers by itself", async () => {
    const world = await World.open();
    const alice = await world.person("alice");
    const notes = await alice.open(alice.userId);
    await alice.append(notes, 1, ["kept"]);

    world.kv.failure = new Error("ENOSPC");
    expect(await alice.append(notes, 2, ["lost?"])).toMatchObject({
      code: "storage_failed",
      retryAfterMs: 1_000,
    });
    expect(await alice.append(notes, 2, ["refused"])).toMatchObject({ code: "storage_failed" });
    expect(world.relay.ready).toBe(false);
    expect(await alice.log(notes)).toEqual(["kept"]);
    const late = world.connect();
    late.sendRegister(await late.challenge(), "bob");
    expect((await late.got("error")).code).toBe("storage_failed");

    world.clock.advance(1_000);
    world.kv.failure = null;
    while (!world.relay.ready) {
      world.clock.advance(1_000);
      // Lets the try that the clock has started run.
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await alice.append(notes, 2, ["again"])).toMatchObject({ places: [{ seq: 2 }] });
    expect(await alice.log(notes)).toEqual(["kept", "again"]);
  });

  it("finds a write that failed and took effect all the same", async () => {
    const world = await World.open();
    const alice = await world.person("alice");
    const notes = await alice.open(alice.userId);
    const batch = world.kv.batch.bind(world.kv);
    world.kv.batch = async (writes) => {
      await batch(writes);
      throw new Error("EIO after the write");
    };
    expect(await alice.append(notes, 1, ["written"])).toMatchObject({ code: "storage_failed" });
    world.kv.batch = batch;
    while (!world.relay.ready) {
      world.clock.advance(1_000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await alice.append(notes, 1, ["written"])).toMatchObject({ places: [{ seq: 1 }] });
    expect(await alice.append(notes, 2, ["next"])).toMatchObject({ places: [{ seq: 2 }] });
    expect(await alice.log(notes)).toEqual(["written", "next"]);
  });
});

describe("a commit of several conversations", () => {
  it("fails for the one that fails, and is acknowledged to the others", async () => {
    const world = await World.open();
    const { logs } = world.store;
    const commit = logs.commit.bind(logs);
    const alice = await world.person("alice");
    const [bob, carol] = [await world.person("bob"), await world.person("carol")];
    const notes = await alice.open(alice.userId);
    const withBob = await alice.open(bob.userId);
    const withCarol = await alice.open(carol.userId);
    let sizes: number[] = [];
    logs.commit = async (changes) => {
      sizes.push(changes.length);
      const others = changes.filter(({ conversationId: id }) => id !== withBob);
      const outcomes = [...(await commit(others))];
      return changes.map(({ conversationId: id }) =>
        id === withBob
          ? { failed: new DovetailError("storage_failed") }
          : (outcomes.shift() ?? null),
      );
    };
    const first = alice.append(notes, 1, ["first"]);
    const answers = [withBob, withCarol].map((id) => alice.append(id, 1, ["at once"]));
    await first;
    expect(await answers[0]).toMatchObject({ code: "storage_failed", retryAfterMs: 1_000 });
    expect(await answers[1]).toMatchObject({ places: [{ seq: 1 }] });
    expect(sizes).toContain(2);
    expect(world.relay.ready).toBe(true);

    // Where nothing is written any more it is the store.
    sizes = [];
    expect(await alice.append(withBob, 1, ["at once"])).toMatchObject({ code: "storage_failed" });
    expect(sizes).toEqual([1]);
    expect(world.relay.ready).toBe(false);
  });

  it("takes what is asked for while it runs, and not what waited so long that nobody waits for it", async () => {
    const world = await World.open();
    const alice = await world.person("alice");
    const notes = await alice.open(alice.userId);
    const { logs } = world.store;
    const commit = logs.commit.bind(logs);
    const written: number[] = [];
    let goOn = (): void => {};
    logs.commit = async (changes) => {
      written.push(changes.reduce((sum, { entries }) => sum + entries.length, 0));
      await new Promise<void>((resolve) => {
        goOn = resolve;
      });
      return commit(changes);
    };
    const first = alice.append(notes, 1, ["one"]);
    const second = alice.append(notes, 1, ["one", "two"]);
    await vi.waitFor(() => expect(written).toEqual([1]));
    world.clock.advance(ANSWER_MS - 1);
    const third = alice.append(notes, 1, ["one", "two"]);
    world.clock.advance(2);
    goOn();
    expect(await first).toMatchObject({ places: [{ seq: 1 }] });
    expect(await second).toMatchObject({ code: "overloaded", retryAfterMs: 1_000 });
    await vi.waitFor(() => expect(written).toEqual([1, 1]));
    goOn();
    expect(await third).toMatchObject({ places: [{ seq: 1 }, { seq: 2 }] });
    expect(await alice.log(notes)).toEqual(["one", "two"]);
  });

  it("keeps the store for well where others were first too often", async () => {
    const world = await World.open();
    const alice = await world.person("alice");
    const notes = await alice.open(alice.userId);
    const failed = new DovetailError("overloaded", undefined, { retryAfterMs: 1_000 });
    world.store.logs.commit = async (changes) => changes.map(() => ({ failed }));
    expect(await alice.append(notes, 1, ["x"])).toMatchObject({ code: "overloaded" });
    expect(world.relay.ready).toBe(true);
  });

  it("is told in the order of its stamps", async () => {
    const world = await World.open();
    const { logs } = world.store;
    const commit = logs.commit.bind(logs);
    const alice = await world.person("alice");
    const bob = await world.person("bob");
    const notes = await alice.open(alice.userId);
    const direct = await alice.open(bob.userId);
    const group = "9".repeat(32) as ConversationId;
    await alice.createGroup(group, [bob.userId]);
    const before = bob.all("entries").length;
    logs.commit = async (changes) => [...(await commit([...changes].reverse()))].reverse();
    await Promise.all([notes, direct, group].map((id) => alice.append(id, 1, ["x"])));
    const stamps = bob
      .all("entries")
      .slice(before)
      .map(({ stamp }) => stamp);
    expect(stamps).toHaveLength(2);
    expect(stamps).toEqual([...stamps].sort((a, b) => a - b));
  });
});

describe("stopping", () => {
  it("ends the writes under way, sends clients away and takes no new ones", async () => {
    const world = await World.open();
    const alice = await world.person("alice");
    const notes = await alice.open(alice.userId);
    const answer = alice.append(notes, 1, ["last"]);
    await world.relay.stop();
    expect(await answer).toMatchObject({ places: [{ seq: 1 }] });
    expect(alice.closedWith).toBe(CloseCode.restart);
    const late = world.connect();
    expect(late.all("error")[0]?.code).toBe("shutting_down");
    expect(late.closedWith).toBe(CloseCode.restart);
  });

  it("a relay started on the same data has every acknowledged entry once", async () => {
    const world = await World.open();
    const alice = await world.person("alice");
    const notes = await alice.open(alice.userId);
    await alice.append(notes, 1, ["one", "two"]);
    const next = await World.open({}, world.kv);
    const again = next.connect(alice.key);
    await again.authenticate();
    expect(await again.append(notes, 2, ["two", "three"])).toMatchObject({
      places: [{ seq: 2 }, { seq: 3 }],
    });
    expect(await again.log(notes)).toEqual(["one", "two", "three"]);
  });
});

describe("a slow client", () => {
  it("is not read while it is behind, and goes on when it has caught up", async () => {
    const world = await World.open();
    const alice = await world.person("alice");
    alice.bufferedBytes = 5 * 1024 * 1024;
    alice.tell({ type: "ping", nonce: 1 });
    expect(alice.paused).toBe(true);
    alice.tell({ type: "ping", nonce: 2 });
    expect(alice.all("pong")).toHaveLength(1);
    alice.bufferedBytes = 0;
    world.clock.advance(50);
    expect(alice.all("pong")).toHaveLength(2);
    expect(alice.paused).toBe(false);
  });

  it("is dropped above the hard bound, and when it stays behind", async () => {
    const world = await World.open();
    const alice = await world.person("alice");
    alice.bufferedBytes = 17 * 1024 * 1024;
    alice.tell({ type: "ping", nonce: 1 });
    expect(alice.closedWith).toBe(CloseCode.slow);
    const bob = await world.person("bob");
    bob.bufferedBytes = 5 * 1024 * 1024;
    bob.tell({ type: "ping", nonce: 1 });
    world.clock.advance(45_000);
    expect(bob.closedWith).toBe(CloseCode.slow);
  });

  it("that floods is held back, not buffered without bound", async () => {
    const world = await World.open();
    const alice = await world.person("alice");
    const notes = await alice.open(alice.userId);
    world.kv.gate = new Promise(() => {});
    for (let i = 1; i <= 400; i++) void alice.append(notes, i, ["x"]);
    expect(alice.paused).toBe(true);
  });

  it("that floods beyond every bound is sent away, and told when to come again", async () => {
    const world = await World.open();
    const alice = await world.person("alice");
    alice.bufferedBytes = 5 * 1024 * 1024;
    for (let i = 0; i < 16_390; i++) alice.tell({ type: "ping", nonce: 1 });
    expect(alice.closedWith).toBe(CloseCode.limited);
    expect(alice.all("error").at(-1)).toMatchObject({ code: "rate_limited", retryAfterMs: 1_000 });
  });
});
