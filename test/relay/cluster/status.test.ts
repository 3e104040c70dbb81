/** What any node says of all: each fault that an operator looks for is made here, and shows. */
import { readFileSync } from "node:fs";
import { beforeEach, describe, expect, it } from "vitest";
import { ENTRY_BYTES } from "../../../relay/core/bounds.js";
import { type NodeId, Ring, SHARDS, shardOf } from "../../../relay/core/cluster/ring.js";
import type { Relay } from "../../../relay/core/relay.js";
import type { NodeStatus } from "../../../relay/core/status.js";
import { prometheusMetrics } from "../../../relay/server/metrics.js";
import type { ConversationId } from "../../../shared/ids.js";
import { Client, World } from "../world.js";
import { MemoryBusHub } from "./memory-bus.js";

const NAMES = ["1", "2", "3"].map((digit) => digit.repeat(32) as NodeId);
const [first, second, third] = NAMES as [NodeId, NodeId, NodeId];

let world: World;
let hub: MemoryBusHub;
let prometheus: ReturnType<typeof prometheusMetrics>;
let relays: ReadonlyMap<NodeId, Relay>;
/** Milliseconds that what goes to a node takes, where it is not at once. */
let slow: Map<NodeId, number>;

const statusAt = (node: NodeId): readonly NodeStatus[] => relays.get(node)?.nodes ?? [];
const of = (node: NodeId, list: readonly NodeStatus[]): NodeStatus => {
  const found = list.find((each) => each.node === node);
  if (!found) throw new Error("The node is not in the list.");
  return found;
};

/** What is due on the clock, and what the nodes say to each other because of it. */
async function pass(ms: number): Promise<void> {
  await settled();
  for (let passed = 0; passed < ms; passed += 100) {
    world.clock.advance(100);
    await settled();
  }
}

/** What goes by the bus at once has come, and its answers have. */
async function settled(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

beforeEach(async () => {
  world = await World.open();
  slow = new Map();
  prometheus = prometheusMetrics();
  hub = new MemoryBusHub((deliver, to) => {
    const delay = slow.get(to);
    if (delay === undefined) queueMicrotask(deliver);
    else world.clock.after(delay, deliver);
  });
  relays = new Map(
    NAMES.map((node, i) => {
      const label = `node-${i + 1}`;
      const address = `wss://${label}.example.org`;
      const measures = i === 0 ? prometheus.metrics : undefined;
      return [node, world.anotherRelay({ label, address }, hub.join(node), measures)];
    }),
  );
  await pass(2_000);
});

const dashboard = readFileSync(
  new URL("../../../docs/monitoring/grafana.json", import.meta.url),
  "utf8",
);

/** What the dashboard draws of the first node. */
const drawn = async (name: string): Promise<readonly object[]> => {
  expect(dashboard).toContain(name);
  return (await prometheus.registry.getSingleMetric(name)?.get())?.values ?? [];
};

describe("any of three nodes", () => {
  it("names all three with what they have, itself first", async () => {
    const alice = new Client(relays.get(second) as Relay);
    await alice.register("alice");
    await pass(2_000);
    for (const node of NAMES) {
      const list = statusAt(node);
      expect(list.map(({ here }) => here)).toEqual([true, false, false]);
      expect(list[0]?.node).toBe(node);
      expect(list.reduce((sum, { shards }) => sum + shards, 0)).toBe(SHARDS);
      expect(of(second, list).shards).toBe(new Ring(NAMES).shards(second));
      expect(of(second, list).summary).toMatchObject({
        label: "node-2",
        connections: 1,
        draining: false,
        lag: { ms: 0 },
      });
      expect(of(third, list).summary).toMatchObject({ label: "node-3", connections: 0 });
    }
  });

  it("tells a client under which addresses all are found, but not one that is sending its own away", async () => {
    const told = async (handle: string) => {
      const client = new Client(relays.get(first) as Relay);
      await client.register(handle);
      return client
        .all("welcome")[0]
        ?.addresses.map((address) => address.slice(6, 12))
        .sort();
    };
    expect(await told("alice")).toEqual(["node-1", "node-2", "node-3"]);
    void relays.get(second)?.drain(60_000);
    await pass(100);
    expect(await told("bob")).toEqual(["node-1", "node-3"]);
    hub.kill(third);
    await pass(2_000);
    expect(await told("carol")).toEqual(["node-1"]);
  });

  it("tells a client that stays of a node that comes, and of none that goes", async () => {
    const alice = new Client(relays.get(first) as Relay);
    await alice.register("alice");
    const stay = async (ms: number) => {
      for (let passed = 0; passed < ms; passed += 15_000) {
        alice.tell({ type: "ping", nonce: 7 });
        await pass(15_000);
      }
    };
    hub.kill(third);
    await stay(60_000);
    expect(alice.all("servers")).toEqual([]);
    const address = "wss://node-4.example.org";
    world.anotherRelay({ label: "node-4", address }, hub.join("4".repeat(32) as NodeId));
    await stay(60_000);
    const told = alice.all("servers").map(({ addresses }) => [...addresses].sort());
    const expected = ["1", "2", "4"].map((name) => `wss://node-${name}.example.org`);
    expect(told).toEqual([expected]);
  });

  it("names one that was killed, since when it is gone and what it said last, for ten minutes", async () => {
    const killedAt = world.clock.now();
    expect(await drawn("dovetail_nodes")).toMatchObject([{ value: 3 }]);
    hub.kill(third);
    await pass(2_000);
    expect(await drawn("dovetail_nodes")).toMatchObject([{ value: 2 }]);
    for (const node of [first, second]) {
      const list = statusAt(node);
      expect(list).toHaveLength(3);
      expect(list.at(-1)).toMatchObject({
        node: third,
        goneAt: killedAt,
        shards: 0,
        summary: { label: "node-3", draining: false },
      });
      expect(list.reduce((sum, { shards }) => sum + shards, 0)).toBe(SHARDS);
    }
    await pass(10 * 60_000);
    expect(statusAt(first).map(({ node }) => node)).toEqual([first, second]);
  });

  it("does not name one as gone that is back", async () => {
    hub.cut(third);
    await pass(1_000);
    expect(of(third, statusAt(first)).goneAt).not.toBeNull();
    hub.heal(third);
    await pass(2_000);
    expect(statusAt(first)).toHaveLength(3);
    expect(of(third, statusAt(first))).toMatchObject({ goneAt: null, summary: {} });
  });

  it("says of one that stops that it drains", async () => {
    await relays.get(third)?.stop();
    await pass(100);
    expect(of(third, statusAt(first)).summary?.draining).toBe(true);
  });

  it("says which shard is hot, and at which node", async () => {
    const alice = new Client(relays.get(first) as Relay);
    const bob = new Client(relays.get(second) as Relay);
    await alice.register("alice");
    await bob.register("bob");
    const talk = await alice.open(bob.userId);
    const owner = new Ring(NAMES).owner(talk);
    for (let n = 1; n <= 50; n++) await alice.append(talk, n, ["hot"]);
    await pass(2_000);
    for (const node of NAMES) {
      const list = statusAt(node);
      expect(of(owner, list).summary?.hot[0]).toEqual({
        shard: shardOf(talk),
        requests: expect.any(Number),
        appends: 50,
      });
      for (const { node: other, summary } of list) {
        if (other !== owner) expect(summary?.hot.some(({ appends }) => appends > 0)).toBe(false);
      }
    }
    await pass(62_000);
    expect(of(owner, statusAt(first)).summary?.hot).toEqual([]);
  });

  it("measures for the dashboard what its own shards have to do", async () => {
    const alice = new Client(relays.get(first) as Relay);
    await alice.register("alice");
    const ids = Array.from({ length: 64 }, (_, i) => i.toString(16).padStart(32, "0"));
    const group = ids.find((id) => new Ring(NAMES).owner(id) === first) as ConversationId;
    await alice.createGroup(group, []);
    for (let n = 1; n <= 60; n++) await alice.append(group, n, ["hot"]);
    await pass(2_000);
    const hottest = { labels: { shard: shardOf(group) }, value: 1 };
    expect((await drawn("dovetail_shard_heat"))[0]).toMatchObject(hottest);
    await pass(62_000);
    expect(await drawn("dovetail_shard_heat")).toEqual([]);
  });

  it("says to which node pushes lag, as soon as the oldest is late and until it has caught up", async () => {
    slow.set(third, 5_000);
    await pass(4_000);
    expect(of(first, statusAt(first)).summary?.lag).toEqual({
      node: third,
      ms: expect.any(Number),
    });
    expect(of(first, statusAt(first)).summary?.lag?.ms).toBeGreaterThanOrEqual(3_000);
    // Told by the other one, whose way to here is not slow.
    expect(of(second, statusAt(first)).summary?.lag?.node).toBe(third);
    await pass(6_000);
    expect(of(first, statusAt(first)).summary?.lag).toMatchObject({ node: third, ms: 5_000 });
    expect(await drawn("dovetail_fan_out_lag_seconds")).toMatchObject([{ value: 5 }]);
    slow.clear();
    await pass(8_000);
    expect(of(first, statusAt(first)).summary?.lag?.ms).toBe(0);
  });

  it("does not take a lost probe for a node that lags", async () => {
    hub.cut(third);
    await pass(100);
    hub.heal(third);
    await pass(3_000);
    expect(of(first, statusAt(first)).summary?.lag?.ms).toBe(0);
  });

  it("says what waits for the store, and for clients", async () => {
    const alice = new Client(relays.get(first) as Relay);
    await alice.register("alice");
    const notes = await alice.open(alice.userId);
    let open = (): void => {};
    world.kv.gate = new Promise((resolve) => {
      open = resolve;
    });
    const appended = alice.append(notes, 1, ["waits"]);
    alice.bufferedBytes = 1_000;
    await pass(2_000);
    const owner = new Ring(NAMES).owner(notes);
    expect(of(owner, statusAt(second)).summary).toMatchObject({
      backlogEntries: 1,
      backlogBytes: 5 + ENTRY_BYTES,
    });
    expect(of(first, statusAt(second)).summary?.bufferedBytes).toBe(1_000);
    open();
    await appended;
    await pass(2_000);
    expect(of(owner, statusAt(second)).summary).toMatchObject({ backlogEntries: 0 });
  });
});

it("a relay of one node names itself, with all shards", async () => {
  const alice = await world.person("alice");
  const notes = await alice.open(alice.userId);
  await alice.append(notes, 1, ["1", "2"]);
  expect(world.relay.nodes).toEqual([
    {
      node: "",
      here: true,
      shards: SHARDS,
      goneAt: null,
      summary: expect.objectContaining({ connections: 1, lag: null }),
    },
  ]);
  expect(world.relay.nodes[0]?.summary?.hot[0]).toMatchObject({
    shard: shardOf(notes),
    appends: 2,
  });
});
