/** What the relay measures, where a number says more than that something was counted. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Registry } from "prom-client";
import { expect, it } from "vitest";
import { measureDisk, prometheusMetrics } from "../../relay/server/metrics.js";
import { MAX_CHANGES } from "../../shared/limits.js";
import { Client, World } from "./world.js";

const reading = async (registry: Registry, name: string): Promise<string | undefined> =>
  new RegExp(`^${name} (\\S+)$`, "m").exec(await registry.metrics())?.[1];

it("measures once a connection in how many conversations something changed meanwhile", async () => {
  const world = await World.open();
  const { metrics, registry } = prometheusMetrics();
  const relay = world.anotherRelay({}, undefined, metrics);
  const alice = new Client(relay);
  await alice.register("alice");
  const others = MAX_CHANGES + 20;
  for (let i = 0; i < others; i++) await (await world.person(`other_${i}`)).open(alice.userId);
  const look = async (after: number): Promise<number> => {
    const page = await alice.ask({ type: "getChanges", after, limit: MAX_CHANGES });
    if (page.type !== "changes") throw new Error("It is no page of changes.");
    return page.more ? look(page.upTo) : page.upTo;
  };
  await look(await look(0));
  expect(await reading(registry, "dovetail_inbox_changes_count")).toBe("1");
  expect(await reading(registry, "dovetail_inbox_changes_sum")).toBe(`${others}`);
});

it("says within two seconds that the store fails, and that it does not any more", async () => {
  const world = await World.open();
  const { metrics, registry } = prometheusMetrics();
  const alice = new Client(world.anotherRelay({}, undefined, metrics));
  await alice.register("alice");
  const notes = await alice.open(alice.userId);
  const writable = async () => {
    // Lets a try that the clock has started run.
    await new Promise((resolve) => setImmediate(resolve));
    world.clock.advance(2_000);
    return reading(registry, "dovetail_store_writable");
  };
  expect(await writable()).toBe("1");
  world.kv.failure = new Error("ENOSPC");
  await alice.append(notes, 1, ["lost?"]);
  expect(await writable()).toBe("0");
  world.kv.failure = null;
  await expect.poll(writable).toBe("1");
});

it("measures the disk of the data, and nothing where there is none", async () => {
  const registry = new Registry();
  const folder = await mkdtemp(join(tmpdir(), "dovetail-metrics-"));
  measureDisk(registry, folder);
  const free = Number(await reading(registry, "dovetail_disk_free_bytes"));
  expect(free).toBeGreaterThan(0);
  expect(Number(await reading(registry, "dovetail_disk_size_bytes"))).toBeGreaterThanOrEqual(free);
  await rm(folder, { recursive: true });
  expect(await reading(registry, "dovetail_disk_size_bytes")).toBe("0");
});

it("knows each error before it was told the first time, so that the first is seen to come", async () => {
  const text = await prometheusMetrics().registry.metrics();
  expect(text).toMatch(/^dovetail_errors_total\{code="storage_failed"\} 0$/m);
});
