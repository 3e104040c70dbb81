/** When to try again: pure policies. */

const FIRST_MS = 500;
const LONGEST_MS = 30_000;

/**
 * Exponential with jitter over the upper half, so that the clients of a dead relay neither return
 * together nor hammer it. `attempt` counts failures since the last success, from 1; `random` is
 * from 0 to 1.
 */
export function backoffMs(attempt: number, random: number): number {
  const ceiling = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(attempt - 1, 16));
  return Math.round(ceiling * (0.5 + random / 2));
}

/** A refusal that the same handshake would meet again: somebody has to act first. */
export const refusedBackoffMs = (random: number): number => Math.round(LONGEST_MS * (1 + random));
