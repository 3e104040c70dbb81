import type { DeviceId, UserId } from "../../shared/ids.js";
import { MAX_DEVICES } from "../../shared/limits.js";
import type { Attention, ClientFrame } from "../../shared/protocol.js";
import type { Clock } from "../../shared/runtime.js";
import type { Connections, Peer } from "./connections.js";

/**
 * Where a person is among their devices, so that those agree which one alerts. All of them are told at
 * the same moment and stamped by one clock: in between, each sees the same entries come. Nothing of
 * it is kept.
 */
export class AttentionBoard {
  readonly #connections: Connections;
  readonly #clock: Clock;
  readonly #told = new Map<Peer, Attention>();

  constructor(connections: Connections, clock: Clock) {
    this.#connections = connections;
    this.#clock = clock;
  }

  arrived(peer: Peer): void {
    const { deviceId } = peer;
    const since = this.#clock.now();
    this.#told.set(peer, { deviceId, since, conversationId: null, usedAt: null });
    this.#tellTogether(peer.userId);
  }

  set(peer: Peer, { conversationId, usedAgo }: Extract<ClientFrame, { type: "attention" }>): void {
    const before = this.#told.get(peer);
    if (!before) return;
    const usedAt = usedAgo === null ? null : Math.max(0, this.#clock.now() - usedAgo);
    this.#told.set(peer, { ...before, conversationId, usedAt });
    this.#tellTogether(peer.userId);
  }

  left(peer: Peer): void {
    this.#told.delete(peer);
    // Also where one remains, which has to learn that it is alone now.
    this.#tell(peer.userId, this.#connections.devicesOf(peer.userId));
  }

  /** The connection is of no concern here any more, and nobody is told. */
  forget(peer: Peer): void {
    this.#told.delete(peer);
  }

  #tellTogether(user: UserId): void {
    const devices = this.#connections.devicesOf(user);
    if (devices.length > 1) this.#tell(user, devices);
  }

  #tell(user: UserId, devices: readonly DeviceId[]): void {
    const told = devices.flatMap((device) => {
      const peer = this.#connections.get(user, device);
      return (peer && this.#told.get(peer)) ?? [];
    });
    this.#connections.push([user], { type: "attention", devices: told.slice(0, MAX_DEVICES) });
  }
}
