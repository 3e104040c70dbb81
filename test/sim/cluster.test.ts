/** A relay of three nodes: killed, stopped, and cut off while they believe that they own what they did. */
import { expect, it } from "vitest";
import { CLUSTER_SEEDS, familyOf } from "./family.js";
import { play } from "./scenario.js";

it("the same seed makes the same world of several nodes", { timeout: 120_000 }, async () => {
  const one = await play(familyOf(CLUSTER_SEEDS));
  const two = await play(familyOf(CLUSTER_SEEDS));
  expect(two.world.traceHash).toBe(one.world.traceHash);
});

it("keeps every promise with several nodes, seed by seed", { timeout: 120_000 }, async () => {
  const budgetMs = (Number(process.env.SIM_SECONDS ?? 45) * 1_000) / 2;
  const start = performance.now();
  const struck = new Map<string, number>();
  for (let seed = CLUSTER_SEEDS; performance.now() - start < budgetMs; seed++) {
    const outcome = await play(familyOf(seed));
    expect(outcome.world.violations, outcome.world.report()).toEqual([]);
    for (const [kind, times] of outcome.struck) struck.set(kind, (struck.get(kind) ?? 0) + times);
  }
  expect(struck.get("node cut off")).toBeGreaterThan(0);
});
