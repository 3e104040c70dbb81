import { setTimeout as sleep } from "node:timers/promises";

/** Resolves after so many milliseconds; an abort only makes it shorter. */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  await sleep(ms, undefined, signal && { signal }).catch(() => undefined);
}
