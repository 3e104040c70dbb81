/** As many worlds as fit in the time. One that fails says how to see it again: `SEED=… npx vitest …`. */
import { expect, it } from "vitest";
import { play } from "./scenario.js";

const HANDLES = ["alice", "bob", "carol"];
/** Two people alone use one conversation, and its direct channel, harder. */
const handlesOf = (seed: number) => HANDLES.slice(0, seed % 3 === 0 ? 2 : 3);
/** In some the first words are exchanged among the faults, too. */
const acquainted = (seed: number) => seed % 4 !== 0;

it("the same seed makes the same world", async () => {
  const one = await play({ seed: 4711, handles: HANDLES });
  const two = await play({ seed: 4711, handles: HANDLES });
  expect(two.world.traceHash).toBe(one.world.traceHash);
  expect(two.world.time.events).toBe(one.world.time.events);
  const other = await play({ seed: 4712, handles: HANDLES });
  expect(other.world.traceHash).not.toBe(one.world.traceHash);
});

it("keeps every promise, seed by seed", { timeout: 120_000 }, async () => {
  const only = process.env.SEED;
  const budgetMs = Number(process.env.SIM_SECONDS ?? 45) * 1_000;
  const start = performance.now();
  const total = { seeds: 0, operations: 0, faults: 0, events: 0, direct: 0 };
  let seed = only ? Number(only) : 1;
  do {
    const options = { seed, handles: handlesOf(seed), acquainted: acquainted(seed) };
    const { world, operations, faults } = await play(options);
    expect(world.violations, world.report()).toEqual([]);
    total.seeds++;
    total.operations += operations;
    total.faults += faults;
    total.events += world.time.events;
    total.direct += world.network.directMessages;
    seed++;
  } while (!only && performance.now() - start < budgetMs);
  expect(total.direct).toBeGreaterThan(0);
  process.stdout.write(`simulation: ${JSON.stringify(total)}\n`);
});
