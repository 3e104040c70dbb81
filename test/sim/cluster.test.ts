/** A relay of three nodes: killed, stopped, and cut off while they believe that they own what they did. */
import { describe, expect, it } from "vitest";
import { CLUSTER_SEEDS, familyOf, WORKER_SEEDS } from "./family.js";
import { play } from "./scenario.js";

describe.each([
  ["nodes on one store", CLUSTER_SEEDS],
  ["workers, each with its part of the store", WORKER_SEEDS],
])("several %s", (_, first) => {
  it("are the same world by the same seed", { timeout: 120_000 }, async () => {
    const one = await play(familyOf(first));
    const two = await play(familyOf(first));
    expect(two.world.traceHash).toBe(one.world.traceHash);
  });

  it("keep every promise, seed by seed", { timeout: 120_000 }, async () => {
    const budgetMs = (Number(process.env.SIM_SECONDS ?? 30) * 1_000) / 3;
    const start = performance.now();
    const struck = new Map<string, number>();
    for (let seed = first; performance.now() - start < budgetMs; seed++) {
      const outcome = await play(familyOf(seed));
      expect(outcome.world.violations, outcome.world.report()).toEqual([]);
      for (const [kind, times] of outcome.struck) struck.set(kind, (struck.get(kind) ?? 0) + times);
    }
    expect(struck.get("node cut off")).toBeGreaterThan(0);
  });
});
