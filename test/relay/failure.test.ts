import { describe, expect, it } from "vitest";
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
});
