import type { AttentionBoard } from "./attention.js";
import type { Connections, Peer } from "./connections.js";
import { tellDevices } from "./devices.js";
import type { PairingBoard } from "./pairing.js";
import type { PresenceBoard } from "./presence.js";

/** What a user's shard does when a connection of the user comes and goes. Nothing of it is kept. */
export class Seats {
  readonly #connections: Connections;
  readonly #presence: PresenceBoard;
  readonly #attention: AttentionBoard;
  readonly #pairings: PairingBoard;

  constructor(parts: {
    connections: Connections;
    presence: PresenceBoard;
    attention: AttentionBoard;
    pairings: PairingBoard;
  }) {
    this.#connections = parts.connections;
    this.#presence = parts.presence;
    this.#attention = parts.attention;
    this.#pairings = parts.pairings;
  }

  take(peer: Peer): void {
    this.#connections.add(peer)?.replaced();
    this.#presence.arrived(peer);
    this.#attention.arrived(peer);
    tellDevices(this.#connections, peer);
  }

  leave(peer: Peer): void {
    this.#pairings.close(peer);
    this.#presence.left(peer, this.#connections.remove(peer));
    this.#attention.left(peer);
    tellDevices(this.#connections, peer);
  }

  /** The connection is there still, and of no concern here. Nobody is told. */
  forget(peer: Peer): void {
    this.#pairings.close(peer);
    this.#connections.remove(peer);
    this.#presence.unwatch(peer);
    this.#attention.forget(peer);
  }
}
