/** A relay that is to end sends its clients away, with what they asked for and not all at once. */
import { describe, expect, it } from "vitest";
import type { NodeId } from "../../relay/core/cluster/ring.js";
import { spreadOver } from "../../relay/core/draining.js";
import { CloseCode } from "../../shared/protocol.js";
import { MemoryBusHub } from "./cluster/memory-bus.js";
import { type Client, ManualClock, World } from "./world.js";

const settled = async (): Promise<void> => {
  for (let i = 0; i < 20; i++) await Promise.resolve();
};

async function pass(clock: ManualClock, ms: number): Promise<void> {
  await settled();
  for (let passed = 0; passed < ms; passed += 50) {
    clock.advance(50);
    await settled();
  }
}

const gone = (clients: readonly Client[]): number =>
  clients.filter(({ closedWith }) => closedWith !== null).length;
const retryOf = (client: Client): number => client.all("error").at(-1)?.retryAfterMs ?? -1;

async function people(world: World, count: number): Promise<Client[]> {
  const clients: Client[] = [];
  for (let i = 0; i < count; i++) clients.push(await world.person(`person${i}`));
  return clients;
}

describe("draining", () => {
  it("sends clients away evenly over the time, and serves them until then", async () => {
    const world = await World.open();
    const clients = await people(world, 10);
    const drained = world.relay.drain(10_000);
    expect(world.relay.ready).toBe(false);
    expect(world.relay.nodes[0]?.summary?.draining).toBe(true);
    expect(gone(clients)).toBe(0);
    for (let second = 1; second <= 9; second++) {
      await pass(world.clock, 1_000);
      expect(gone(clients)).toBe(second);
    }
    const last = clients.at(-1) as Client;
    const notes = await last.open(last.userId);
    expect(await last.append(notes, 1, ["still here"])).toMatchObject({ places: [{ seq: 1 }] });
    await pass(world.clock, 1_000);
    await drained;
    expect(gone(clients)).toBe(10);
    for (const client of clients) {
      expect(client.closedWith).toBe(CloseCode.restart);
      expect(client.all("error").at(-1)).toMatchObject({ code: "shutting_down", requestId: null });
    }
  });

  it("tells clients that have nowhere else to go to come when it is over", async () => {
    const world = await World.open();
    const clients = await people(world, 4);
    const drained = world.relay.drain(8_000);
    await pass(world.clock, 8_000);
    await drained;
    clients.forEach((client, i) => {
      const left = 6_000 - 2_000 * i;
      expect(retryOf(client)).toBeGreaterThanOrEqual(left);
      expect(retryOf(client)).toBeLessThan(left + 1_000);
    });
  });

  it("tells clients that may go to another node to come at once", async () => {
    const world = await World.open();
    const hub = new MemoryBusHub();
    const [one, two] = ["1", "2"].map((digit) => {
      const node = digit.repeat(32) as NodeId;
      return world.anotherRelay({}, hub.join(node));
    });
    const alice = world.connect(undefined, one);
    await alice.register("alice");
    const drained = one?.drain(1_000);
    await settled();
    expect(two?.nodes.map(({ summary }) => summary?.draining)).toEqual([false, true]);
    await pass(world.clock, 1_000);
    await drained;
    expect(retryOf(alice)).toBeLessThanOrEqual(1);
  });

  it("takes nobody new, and asked again it goes on as it was", async () => {
    const world = await World.open();
    const [alice] = await people(world, 1);
    const drained = world.relay.drain(5_000);
    const late = world.connect();
    expect(late.closedWith).toBe(CloseCode.restart);
    expect(retryOf(late)).toBeGreaterThanOrEqual(0);
    expect(world.relay.drain(60_000)).toBe(drained);
    await pass(world.clock, 5_000);
    await drained;
    expect(alice?.closedWith).toBe(CloseCode.restart);
  });

  it("ends what was begun before it sends a client away, and takes no more of it", async () => {
    const world = await World.open();
    const [alice] = await people(world, 1);
    if (!alice) throw new Error("Nobody is there.");
    const notes = await alice.open(alice.userId);
    let write = (): void => {};
    world.kv.gate = new Promise((resolve) => {
      write = resolve;
    });
    const appended = alice.append(notes, 1, ["begun"]);
    const drained = world.relay.drain(0);
    void alice.append(notes, 2, ["too late"]);
    await pass(world.clock, 1_000);
    expect(alice.closedWith).toBeNull();
    write();
    expect(await appended).toMatchObject({ places: [{ seq: 1 }] });
    await drained;
    expect(alice.closedWith).toBe(CloseCode.restart);
    expect((await world.store.logs.conversation(notes))?.head).toBe(1);
  });

  it("gives up a request that does not end", async () => {
    const world = await World.open();
    const [alice] = await people(world, 1);
    if (!alice) throw new Error("Nobody is there.");
    const notes = await alice.open(alice.userId);
    world.kv.gate = new Promise(() => {});
    void alice.append(notes, 1, ["never"]);
    const drained = world.relay.drain(0);
    await pass(world.clock, 10_000);
    await drained;
    expect(alice.closedWith).toBe(CloseCode.restart);
  });

  it("is cut short by a stop, which tells clients to come back each at a time of its own", async () => {
    const world = await World.open();
    const clients = await people(world, 50);
    void world.relay.drain(60_000);
    await world.relay.stop();
    expect(gone(clients)).toBe(50);
    const times = clients.map(retryOf);
    expect(Math.min(...times)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...times)).toBeLessThanOrEqual(50);
    expect(new Set(times).size).toBeGreaterThan(10);
  });
});

it("what is spread comes in order, with the time that is left, and all of it", async () => {
  const clock = new ManualClock();
  const called: [number, number][] = [];
  const items = Array.from({ length: 1_000 }, (_, i) => i);
  const done = spreadOver(clock, items, 1_000, async (item, leftMs) => {
    called.push([item, leftMs]);
  });
  await pass(clock, 500);
  expect(called).toHaveLength(500);
  await pass(clock, 500);
  await done;
  expect(called.map(([item]) => item)).toEqual(items);
  expect(called.at(-1)?.[1]).toBe(0);
  await spreadOver(clock, [], 1_000, async () => {});
});
