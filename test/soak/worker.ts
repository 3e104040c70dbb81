/** Plays one seed after another and tells the main thread what came of each. */
import type { MessagePort } from "node:worker_threads";
import { familyOf } from "../sim/family.js";
import { KNOBS, play } from "../sim/scenario.js";
import type { Tally } from "./tally.js";

export interface WorkerTask {
  readonly first: number;
  readonly stride: number;
  /** Of each world. */
  readonly steps: number;
}

export interface WorkerReport {
  readonly seed: number;
  readonly tally: Tally;
  /** What went wrong first; null where nothing did. */
  readonly violation: string | null;
}

/** Without end: the main thread ends it. */
export async function playSeeds(
  { first, stride, steps }: WorkerTask,
  port: MessagePort,
): Promise<void> {
  for (let seed = first; ; seed += stride) {
    try {
      const { world, operations, struck } = await play(
        { ...familyOf(seed), silent: true },
        { ...KNOBS, steps },
      );
      const [violation = null] = world.violations;
      const tally = {
        seeds: 1,
        operations,
        events: world.time.events,
        directMessages: world.network.directMessages,
        violations: violation === null ? 0 : 1,
        struck: Object.fromEntries(struck),
      };
      port.postMessage({ seed, tally, violation } satisfies WorkerReport);
    } catch (error) {
      throw new Error(`seed ${seed}: ${error}`, { cause: error });
    }
  }
}
