/** The workers of one relay on one machine: which of them has which folder, and owns what is in it. */
import type { ConversationId, UserId } from "../../shared/ids.js";
import { type NodeId, type Placement, SHARDS } from "../core/cluster/ring.js";
import { FOLDERS, folderOf } from "../store/sharded/folders.js";

/** One worker's place among all of them, the same until the relay is started with another number. */
export interface Seat {
  /** 0 to `count` − 1. */
  readonly index: number;
  /** At most as many as there are folders. */
  readonly count: number;
}

/** Evenly, and not by a ring: nothing moves with a folder but the process that has it open. */
export const seatOf = (folder: number, count: number): number => folder % count;

export const foldersOf = ({ index, count }: Seat): readonly number[] =>
  Array.from({ length: FOLDERS }, (_, folder) => folder).filter(
    (folder) => seatOf(folder, count) === index,
  );

const SEAT_DIGITS = 4;
const NODE_DIGITS = 32;

/** Begins with the seat; the rest is the run's. */
export const nodeAt = (index: number, run: string): NodeId =>
  (index.toString(16).padStart(SEAT_DIGITS, "0") +
    run.slice(0, NODE_DIGITS - SEAT_DIGITS)) as NodeId;

export const seatIn = (node: NodeId): number => Number.parseInt(node.slice(0, SEAT_DIGITS), 16);

/** Whoever has the folder owns what is in it; while that worker is away, the next that is there. */
export class SeatPlacement implements Placement {
  readonly nodes: ReadonlySet<NodeId>;
  readonly #owners: readonly NodeId[];

  constructor(nodes: readonly NodeId[], count: number) {
    this.nodes = new Set(nodes);
    const bySeat = new Map(nodes.map((node) => [seatIn(node), node]));
    this.#owners = Array.from({ length: FOLDERS }, (_, folder) => {
      for (let step = 0; step < count; step++) {
        const node = bySeat.get((seatOf(folder, count) + step) % count);
        if (node) return node;
      }
      throw new RangeError("There is a worker at the least.");
    });
  }

  owner(id: ConversationId | UserId | string): NodeId {
    return this.#owners[folderOf(id)] as NodeId;
  }

  shards(node: NodeId): number {
    return (SHARDS / FOLDERS) * this.#owners.filter((owner) => owner === node).length;
  }
}
