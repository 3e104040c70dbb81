import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { SWEEP_ENTRIES, SWEEP_LOGS, SWEEP_MS, TRIM_ENTRIES } from "../../relay/core/bounds.js";
import type { Retention } from "../../relay/core/config.js";
import type { ConversationId } from "../../shared/ids.js";
import { type Client, World } from "./world.js";

const DAY_MS = 86_400_000;

let world: World;
let alice: Client;
let bob: Client;
let talk: ConversationId;

async function begin(retention: Retention): Promise<void> {
  // These clients answer no heartbeat, and time passes by days here.
  world = await World.open({ retention, heartbeatMs: 100 * DAY_MS });
  alice = await world.person("alice");
  bob = await world.person("bob");
  talk = await alice.open(bob.userId);
}

afterEach(() => world.relay.stop());

/** Lets time pass until the sweeper has counted so many. */
const swept = (counter: "expired" | "trimmed", count: number): Promise<void> =>
  vi.waitFor(() => {
    world.clock.advance(SWEEP_MS);
    expect(world.counts.get(counter) ?? 0).toBeGreaterThanOrEqual(count);
  });
/** Lets the sweeper have looked at everything, several times. */
async function sweptInVain(): Promise<void> {
  const looks = vi.spyOn(world.store.logs, "conversationsAfter");
  await vi.waitFor(() => {
    world.clock.advance(SWEEP_MS);
    expect(looks.mock.calls.length).toBeGreaterThan(3);
  });
}
const deliver = (client: Client, upTo: number, id = talk) =>
  client.ask({ type: "moveCursors", conversationId: id, deliveredUpTo: upTo, readUpTo: 0 });
const stored = async (): Promise<number[]> =>
  (await world.store.logs.entries(talk, 1, 1_000)).map(({ payload }) => payload.length);

describe("an entry whose time is up", () => {
  beforeEach(() => begin("forever"));

  it("is not given out any more, though nobody has come by to delete it", async () => {
    await alice.append(talk, 1, ["gone soon"], { ttl: 5 });
    await alice.append(talk, 2, ["stays"]);
    world.clock.advance(4_999);
    expect(await bob.log(talk)).toEqual(["gone soon", "stays"]);
    world.clock.advance(1);
    expect(await bob.log(talk)).toEqual(["", "stays"]);
    expect(await stored()).toEqual([9, 5]);
  });

  it("is deleted, and its place stays", async () => {
    await alice.append(talk, 1, ["one", "two"], { ttl: 1 });
    await alice.append(talk, 3, ["three"]);
    await swept("expired", 2);
    expect(await stored()).toEqual([0, 0, 5]);
    expect(await bob.page(talk, 1)).toEqual({ head: 3, first: 1, seqs: [1, 2, 3] });
  });

  it("is known by its origin, whatever comes along under it", async () => {
    const signatures = [alice.signatureOf(talk, 1, "whatever")];
    await alice.append(talk, 1, ["secret"], { ttl: 1 });
    const again = () => alice.append(talk, 1, ["secret"], { ttl: 1 });
    const handedIn = () =>
      bob.append(talk, 1, ["whatever"], { of: alice.key.deviceId, signatures });
    expect(await handedIn()).toMatchObject({ code: "origin_conflict" });
    world.clock.advance(1_000);
    const known = { type: "appended", places: [{ seq: 1 }] };
    expect(await handedIn()).toMatchObject(known);
    await swept("expired", 1);
    expect(await again()).toMatchObject(known);
    expect(await handedIn()).toMatchObject(known);
    expect(await alice.append(talk, 2, ["next"])).toMatchObject({ places: [{ seq: 2 }] });
  });

  it("waits while the disk takes nothing, and is deleted then", async () => {
    await alice.append(talk, 1, ["secret"], { ttl: 1 });
    world.kv.failure = new Error("no space");
    const tries = vi.spyOn(world.store.logs, "eraseExpired");
    await vi.waitFor(() => {
      world.clock.advance(SWEEP_MS);
      expect(tries.mock.calls.length).toBeGreaterThan(1);
    });
    world.kv.failure = null;
    await swept("expired", 1);
    expect(await stored()).toEqual([0]);
  });

  it("is one of a bounded number in one look, and the others follow at once", async () => {
    const erasing = vi.spyOn(world.store.logs, "eraseExpired");
    const pages = SWEEP_ENTRIES / 100 + 1;
    for (let i = 0; i < pages; i++) {
      await alice.append(
        talk,
        i * 100 + 1,
        Array.from({ length: 100 }, () => "x"),
        { ttl: 1 },
      );
    }
    await swept("expired", pages * 100);
    const counts = await Promise.all(erasing.mock.results.map(({ value }) => value));
    expect(counts.filter((count) => count > 0)).toEqual([SWEEP_ENTRIES, 100]);
  });
});

describe("a relay that keeps some days", () => {
  beforeEach(() => begin({ keepMs: DAY_MS }));

  it("begins its logs later, and says so", async () => {
    await alice.append(talk, 1, ["old", "older"]);
    world.clock.advance(DAY_MS / 2);
    await alice.append(talk, 3, ["new"]);
    world.clock.advance(DAY_MS / 2);
    await swept("trimmed", 2);
    expect(await bob.page(talk, 1)).toEqual({ head: 3, first: 3, seqs: [3] });
    expect(await alice.append(talk, 4, ["next"])).toMatchObject({ places: [{ seq: 4 }] });
    expect(await stored()).toHaveLength(2);
    const fresh = world.connect(bob.key, world.anotherRelay());
    await fresh.authenticate();
    expect(await fresh.page(talk, 1)).toEqual({ head: 4, first: 3, seqs: [3, 4] });
  });

  it("may have nothing left, and still knows where everything stood", async () => {
    const first = await alice.append(talk, 1, ["one", "two"]);
    world.clock.advance(DAY_MS);
    await swept("trimmed", 2);
    expect(await bob.page(talk, 1)).toEqual({ head: 2, first: 3, seqs: [] });
    const again = await alice.append(talk, 1, ["one", "two"]);
    expect(again).toMatchObject({ places: (first as { places: object }).places });
    expect(await alice.append(talk, 3, ["three"])).toMatchObject({ places: [{ seq: 3 }] });
    expect(await bob.page(talk, 2)).toEqual({ head: 3, first: 3, seqs: [3] });
  });

  it("comes to all logs and to the end of a long one, a bounded part at a time", async () => {
    const trimming = vi.spyOn(world.store.logs, "trim");
    const looks = vi.spyOn(world.store.logs, "conversationsAfter");
    const hundred = Array.from({ length: 100 }, () => "x");
    for (let i = 0; i <= TRIM_ENTRIES / 100; i++) await alice.append(talk, i * 100 + 1, hundred);
    world.clock.advance(DAY_MS);
    await swept("trimmed", TRIM_ENTRIES + 100);
    const parts = trimming.mock.calls.map(([, first]) => first);
    expect(parts.at(-1)).toBe(TRIM_ENTRIES + 101);
    expect(parts.length).toBeGreaterThan(1);
    expect(looks.mock.calls.every(([, limit]) => limit === SWEEP_LOGS)).toBe(true);
  });
});

describe("a relay that keeps until everybody has it", () => {
  beforeEach(() => begin("delivered"));

  it("waits for the device that has not said so, and for no other", async () => {
    await alice.append(talk, 1, ["one", "two"]);
    await bob.append(talk, 1, ["three"]);
    await deliver(bob, 2);
    await swept("trimmed", 2);
    await sweptInVain();
    // Bob wrote the third himself, and Alice does not have it yet.
    expect(await alice.page(talk, 1)).toEqual({ head: 3, first: 3, seqs: [3] });
    await deliver(alice, 3);
    await swept("trimmed", 3);
    expect(await alice.page(talk, 1)).toEqual({ head: 3, first: 4, seqs: [] });
  });

  it("waits for every device of a user, also where another one has said that it is there", async () => {
    const device = await world.store.directory.device(bob.key.deviceId);
    const tablet = world.connect();
    const { deviceId, publicKey } = tablet.key;
    await world.store.directory.addDevice({ ...device, deviceId, publicKey } as never);
    await tablet.authenticate();
    await alice.append(talk, 1, ["one"]);
    await deliver(bob, 1);
    await sweptInVain();
    expect(await stored()).toHaveLength(1);
    await deliver(tablet, 1);
    await swept("trimmed", 1);
    expect(await stored()).toHaveLength(0);
  });

  it("waits for a device no longer once it was taken out of its account", async () => {
    await alice.append(talk, 1, ["one"]);
    await world.store.directory.removeDevice(bob.userId, bob.key.deviceId);
    await swept("trimmed", 1);
    expect(await stored()).toHaveLength(0);
  });

  it("waits for those who were in a group at an entry's place, and only for them", async () => {
    const club = "c1".repeat(16) as ConversationId;
    const carol = await world.person("carol");
    await alice.createGroup(club, [bob.userId]);
    await alice.append(club, 1, ["for bob"]);
    await alice.change(club, 1, { removes: [bob.userId], adds: [carol.userId] });
    await alice.append(club, 2, ["for carol"]);
    await deliver(carol, 4, club);
    await sweptInVain();
    expect(await alice.page(club, 1)).toMatchObject({ first: 1 });
    await world.store.directory.removeDevice(bob.userId, bob.key.deviceId);
    await swept("trimmed", 4);
    expect(await carol.page(club, 1)).toEqual({ head: 4, first: 5, seqs: [] });
  });
});
