import { setTimeout as sleep } from "node:timers/promises";
import { DovetailError } from "../../../shared/errors.js";
import { RECOVERY_MS } from "../../core/bounds.js";
import { FIRST_WAIT_MS, MAX_TRIES, MAX_TRIES_MS, MAX_WAIT_MS } from "./bounds.js";

/**
 * Each try but the first comes after a wait of its own, so that those who met do not meet again; none where
 * whoever asked may have given up meanwhile.
 */
export async function* tries(max = MAX_TRIES): AsyncGenerator<number> {
  const until = performance.now() + MAX_TRIES_MS;
  for (let count = 0; count < max; count += 1) {
    if (count > 0) {
      if (performance.now() > until) return;
      await sleep(Math.random() * Math.min(MAX_WAIT_MS, FIRST_WAIT_MS * 2 ** (count - 1)));
    }
    yield count;
  }
}

/** The store works and others were first each time: what is asked for again may come through. */
export const contended = (what: string): DovetailError =>
  new DovetailError("overloaded", what, { retryAfterMs: RECOVERY_MS });
