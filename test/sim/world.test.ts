/** As many worlds as fit in the time. One that fails says how to see it again (docs/testing.md). */
import { expect, it } from "vitest";
import { familyOf } from "./family.js";
import { play } from "./scenario.js";

it("the same seed makes the same world", { timeout: 120_000 }, async () => {
  const one = await play(familyOf(4711));
  const two = await play(familyOf(4711));
  expect(two.world.traceHash).toBe(one.world.traceHash);
  expect(two.world.time.events).toBe(one.world.time.events);
  const other = await play(familyOf(4712));
  expect(other.world.traceHash).not.toBe(one.world.traceHash);
});

it("keeps every promise, seed by seed", { timeout: 120_000 }, async () => {
  const budgetMs = Number(process.env.SIM_SECONDS ?? 30) * 1_000;
  const start = performance.now();
  const total = { seeds: 0, operations: 0, events: 0, direct: 0, devices: 0 };
  for (let seed = 1; performance.now() - start < budgetMs; seed++) {
    const { world, operations } = await play(familyOf(seed));
    expect(world.violations, world.report()).toEqual([]);
    total.seeds++;
    total.operations += operations;
    total.events += world.time.events;
    total.direct += world.network.directMessages;
    total.devices += world.devices.length;
  }
  expect(total.direct).toBeGreaterThan(0);
  process.stdout.write(`simulation: ${JSON.stringify(total)}\n`);
});
