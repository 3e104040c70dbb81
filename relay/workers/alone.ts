import type { Bus } from "../core/cluster/bus.js";
import { nodeAt } from "./seats.js";

/** Of a relay whose data are in folders and which has one process: the only node. */
export const aloneBus = (run: string): Bus => ({
  node: nodeAt(0, run),
  listen: () => {},
  send: () => {},
});
