/** Which node owns what: consistent hashing (Karger et al. 1997) of a fixed set of shards onto nodes. */
import type { ConversationId, UserId } from "../../../shared/ids.js";

declare const brand: unique symbol;
/** One run of one relay node: 32 hexadecimal digits, new at every start. */
export type NodeId = string & { readonly [brand]: "NodeId" };

/**
 * Enough for thousands of nodes to have some each. Never to be changed between nodes of one cluster: they
 * would not agree on who owns what.
 */
export const SHARDS = 16_384;

/** Points that each node has on the ring; the share of one differs from another's by about a tenth. */
const POINTS_PER_NODE = 128;

/** FNV-1a, with MurmurHash3's finaliser because names that differ in the end alone would lie close. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}

/** Hashed, though most ids are hashes: a client chooses a group's id. */
export const shardOf = (id: ConversationId | UserId | string): number => hash(id) % SHARDS;

/** Of each shard on the ring. */
const places = Array.from({ length: SHARDS }, (_, shard) => hash(`shard.${shard}`));

/** The index of the first point that is not before the place; their number where all are. */
function firstFrom(points: readonly { readonly at: number }[], place: number): number {
  let [from, to] = [0, points.length];
  while (from < to) {
    const middle = (from + to) >>> 1;
    if ((points[middle]?.at ?? 0) < place) from = middle + 1;
    else to = middle;
  }
  return from;
}

/** Which of the nodes that there are owns what. */
export interface Placement {
  readonly nodes: ReadonlySet<NodeId>;
  owner(id: ConversationId | UserId | string): NodeId;
  /** How many of the shards that node owns. */
  shards(node: NodeId): number;
}

/** Nodes that know the same nodes agree on every owner, in whatever order they learnt of them. */
export class Ring implements Placement {
  readonly nodes: ReadonlySet<NodeId>;
  readonly #owners: readonly NodeId[];

  /** Of at least one node. */
  constructor(nodes: Iterable<NodeId>) {
    this.nodes = new Set(nodes);
    const points = [...this.nodes]
      .flatMap((node) =>
        Array.from({ length: POINTS_PER_NODE }, (_, i) => ({ node, at: hash(`${node}.${i}`) })),
      )
      .sort((a, b) => a.at - b.at || (a.node < b.node ? -1 : 1));
    const [first] = points;
    if (!first) throw new RangeError("A ring has a node at the least.");
    this.#owners = places.map((place) => (points[firstFrom(points, place)] ?? first).node);
  }

  owner(id: ConversationId | UserId | string): NodeId {
    return this.#owners[shardOf(id)] as NodeId;
  }

  /** How many the node owns. */
  shards(node: NodeId): number {
    return this.#owners.filter((owner) => owner === node).length;
  }

  ownerOfShard(shard: number): NodeId {
    return this.#owners[shard] as NodeId;
  }
}
