import type { Clock } from "../../shared/runtime.js";
import { MAX_RETURN_MS, RETURNS_PER_MS, SPREAD_STEP_MS } from "./bounds.js";

/** Over how many milliseconds so many clients come back, so that who takes them is not run over. */
export const returnMs = (clients: number): number =>
  Math.min(MAX_RETURN_MS, clients / RETURNS_PER_MS);

/** Calls `each` for all of them, evenly over the time and in steps, with what is left of it. */
export async function spreadOver<T>(
  clock: Clock,
  items: readonly T[],
  withinMs: number,
  each: (item: T, leftMs: number) => Promise<void>,
): Promise<void> {
  const begun = clock.monotonic();
  const running: Promise<void>[] = [];
  while (running.length < items.length) {
    const passed = clock.monotonic() - begun;
    const due = passed >= withinMs ? items.length : Math.floor((items.length * passed) / withinMs);
    for (const item of items.slice(running.length, due)) {
      running.push(each(item, Math.max(0, withinMs - passed)));
    }
    if (running.length < items.length) {
      const stepMs = Math.min(SPREAD_STEP_MS, withinMs - passed);
      await new Promise<void>((resolve) => clock.after(stepMs, resolve));
    }
  }
  await Promise.all(running);
}
