import type { DeviceId, UserId } from "../../shared/ids.js";
import { type RelayFrame, relayFrames } from "../../shared/protocol.js";
import type { Metrics } from "./ports.js";

/** A connection that has proved which device it is. */
export interface Peer {
  readonly userId: UserId;
  readonly deviceId: DeviceId;
  send(frame: Uint8Array): void;
  /** The same device has connected anew: this connection ends. */
  replaced(): void;
  /** The device was taken out of its account: this connection ends. */
  removed(): void;
}

/** Who is connected: a hash table from users to their devices' connections, one per device. */
export class Connections {
  readonly #users = new Map<UserId, Map<DeviceId, Peer>>();
  readonly #metrics: Metrics;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  /** Gives the connection that the device had until now. */
  add(peer: Peer): Peer | undefined {
    let devices = this.#users.get(peer.userId);
    if (!devices) {
      devices = new Map();
      this.#users.set(peer.userId, devices);
    }
    const before = devices.get(peer.deviceId);
    devices.set(peer.deviceId, peer);
    return before;
  }

  /** False where the device has connected anew since, and so is not gone. */
  remove(peer: Peer): boolean {
    const devices = this.#users.get(peer.userId);
    if (devices?.get(peer.deviceId) !== peer) return false;
    devices.delete(peer.deviceId);
    if (devices.size === 0) this.#users.delete(peer.userId);
    return true;
  }

  of(user: UserId): Iterable<Peer> {
    return this.#users.get(user)?.values() ?? [];
  }

  devicesOf(user: UserId): DeviceId[] {
    return [...(this.#users.get(user)?.keys() ?? [])];
  }

  get(user: UserId, device: DeviceId): Peer | undefined {
    return this.#users.get(user)?.get(device);
  }

  /** To all connected devices of these users but one connection; encoded once. */
  push(users: readonly UserId[], frame: RelayFrame, except?: Peer): void {
    this.pushEach(users, () => frame, except);
  }

  /** As {@link push}, where devices get different frames; each distinct frame is encoded once. */
  pushEach(users: readonly UserId[], frameFor: (peer: Peer) => RelayFrame, except?: Peer): void {
    const encoded = new Map<RelayFrame, Uint8Array>();
    for (const user of users) {
      for (const peer of this.of(user)) {
        if (peer === except) continue;
        const frame = frameFor(peer);
        let bytes = encoded.get(frame);
        if (!bytes) {
          bytes = relayFrames.encode(frame);
          encoded.set(frame, bytes);
        }
        peer.send(bytes);
        this.#metrics.count("fanOut");
      }
    }
  }
}
