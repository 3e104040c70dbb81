import type { NodeId, Placement } from "./ring.js";

export interface BusListener {
  received(from: NodeId, message: Uint8Array): void;
  /**
   * All nodes that are there now, this one among them. One that is not told of any more is gone. Where
   * something is lost of what two nodes said to each other, or one of them may have held the other for
   * gone, both are told that the other is gone before they are told that it is there.
   */
  members(nodes: readonly NodeId[]): void;
}

/**
 * Carries messages between the nodes of one relay: at most once, and from one node to another in the
 * order in which they were sent. What is lost is found out: see `members`. Whoever needs an answer asks again.
 */
export interface Bus {
  readonly node: NodeId;
  /** Nobody is ever heard on it: this node is the only one, or knows nothing of others on its store. */
  readonly alone?: true;
  /** Called once, before anything is sent. */
  listen(listener: BusListener): void;
  /** Who owns what among these nodes, where it is not a ring of them that says so. */
  place?(nodes: readonly NodeId[]): Placement;
  /** To another node. Does not wait, and says nothing where it is gone. */
  send(to: NodeId, message: Uint8Array): void;
}
