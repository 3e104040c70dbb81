import type { UserId } from "../../../shared/ids.js";
import type { ClientFrame } from "../../../shared/protocol.js";
import type { Timer } from "../../../shared/runtime.js";
import type { Peer } from "../connections.js";
import type { NodeId } from "./ring.js";

/** What a gateway knows of one of its connections, to tell it anew when shards get other owners. */
export interface Guest {
  readonly peer: Peer;
  /** Where the connection is announced as its user's, and whose word about attention goes. */
  seat: NodeId | null;
  watching: readonly UserId[];
  /** Owner of the user, then of each that is watched, when it was last told. */
  layout: string;
  /** How often it was told anew: what was begun before that is over. */
  settled: number;
  /** The pairing place that it opened, and at which node. */
  place: { readonly name: string; readonly node: NodeId } | null;
  attention: {
    readonly frame: Extract<ClientFrame, { type: "attention" }>;
    /** Monotonic milliseconds. */
    readonly at: number;
  } | null;
  /** Nodes that keep something of it. */
  readonly knownAt: Set<NodeId>;
  /** Up to where its client has heard of its inbox; null until it has asked. */
  position: number | null;
  look: Timer | null;
  /** When it was last certain that the device has not been removed, in monotonic milliseconds. */
  certainAt: number;
}

export const newGuest = (peer: Peer, now: number): Guest => ({
  peer,
  seat: null,
  watching: [],
  layout: "",
  settled: 0,
  place: null,
  attention: null,
  knownAt: new Set(),
  position: null,
  look: null,
  certainAt: now,
});
