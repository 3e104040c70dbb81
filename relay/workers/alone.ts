import type { Bus } from "../core/cluster/bus.js";
import { nodeAt } from "./seats.js";

/** Of the only node that hears itself: on data in folders, or on a keyspace that others may write too. */
export const aloneBus = (run: string): Bus => ({
  node: nodeAt(0, run),
  alone: true,
  listen: () => {},
  send: () => {},
});
