import type { Clock } from "../../../shared/runtime.js";
import { MAX_PROBES } from "../bounds.js";
import type { NodeId } from "./ring.js";

export interface Lag {
  readonly node: NodeId;
  readonly ms: number;
}

interface Peer {
  /** When those went out that have no answer yet, the oldest first. */
  readonly unanswered: number[];
  /** The id of the newest. */
  sent: number;
  roundTripMs: number;
}

/**
 * How far what goes to each other node lags behind. The bus keeps the order between two nodes, so a
 * probe stands in line behind the pushes before it, and an answer speaks for all probes before.
 */
export class Lags {
  readonly #clock: Clock;
  #peers = new Map<NodeId, Peer>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Those that are not named are gone. */
  probe(nodes: Iterable<NodeId>, send: (to: NodeId, id: number) => void): void {
    const before = this.#peers;
    this.#peers = new Map();
    for (const node of nodes) {
      const peer = before.get(node) ?? { unanswered: [], sent: 0, roundTripMs: 0 };
      this.#peers.set(node, peer);
      peer.unanswered.push(this.#clock.monotonic());
      if (peer.unanswered.length > MAX_PROBES) peer.unanswered.shift();
      send(node, ++peer.sent);
    }
  }

  answered(from: NodeId, id: number): void {
    const peer = this.#peers.get(from);
    const oldest = peer ? peer.sent - peer.unanswered.length + 1 : 0;
    if (!peer || id > peer.sent || id < oldest) return;
    const [sentAt = 0] = peer.unanswered.splice(0, id - oldest + 1).slice(-1);
    peer.roundTripMs = this.#clock.monotonic() - sentAt;
  }

  /** To whom it is the longest; null without other nodes. */
  worst(): Lag | null {
    let worst: Lag | null = null;
    for (const [node, { unanswered, roundTripMs }] of this.#peers) {
      const [oldest] = unanswered;
      const waiting = oldest === undefined ? 0 : this.#clock.monotonic() - oldest;
      const ms = Math.round(Math.max(roundTripMs, waiting));
      if (!worst || ms > worst.ms) worst = { node, ms };
    }
    return worst;
  }
}
