import type { WorldOptions } from "./world.js";

const HANDLES = ["alice", "bob", "carol"];

/** Worlds from this seed on have a relay of several nodes. */
export const CLUSTER_SEEDS = 10_000_000;

/** Worlds from this seed on have a relay of several workers, each with its part of the folders. */
export const WORKER_SEEDS = 20_000_000;

/** Which people a seed brings together: its world is the same wherever it is played. */
export const familyOf = (seed: number): WorldOptions => ({
  seed,
  // Two people alone use one conversation, and its direct channel, harder.
  handles: HANDLES.slice(0, seed % 3 === 0 ? 2 : 3),
  // In some the first words are exchanged among the faults, too.
  acquainted: seed % 4 !== 0,
  severalDevices: seed % 5 < 2,
  relayNodes: seed < CLUSTER_SEEDS ? 1 : 3,
  workers: seed >= WORKER_SEEDS,
});
