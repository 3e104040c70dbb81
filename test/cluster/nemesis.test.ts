/** A short run of the real nemesis on a whole cluster; `npm run test:soak -- --real --cluster` is the long one. */
import { expect, test } from "vitest";
import { findNats } from "../parts/nats.mjs";
import { run } from "../soak/real/run.js";

test("people talk over three relays, three NATS servers and three Cassandra nodes while everything fails, and nothing acknowledged is lost, doubled or moved", async ({
  skip,
}) => {
  if (!findNats()) skip("nats-server is not installed");
  const outcome = await run({ seed: 20, seconds: 10, everyMs: 600, cluster: true });
  expect(outcome.violations, `kept in ${outcome.folder}`).toEqual([]);
  // Somebody talked and something failed, however slow the machine.
  expect(outcome.messages).toBeGreaterThan(20);
  expect(outcome.faults).toBeGreaterThan(3);
}, 600_000);
