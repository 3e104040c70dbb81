/** A short run of the real nemesis; `npm run test:soak -- --real` is the long one. */
import { expect, test } from "vitest";
import { run } from "../soak/real/run.js";

test.each([
  ["one process", 1],
  ["four workers", 4],
])(
  "people talk over a relay of %s while everything fails, and nothing acknowledged is lost, doubled or moved",
  async (_, workers) => {
    const outcome = await run({ seed: 20, seconds: 15, everyMs: 500, workers });
    expect(outcome.violations, `kept in ${outcome.folder}`).toEqual([]);
    // Somebody talked and something failed, however slow the machine.
    expect(outcome.messages).toBeGreaterThan(20);
    expect(outcome.faults).toBeGreaterThan(3);
  },
  240_000,
);
