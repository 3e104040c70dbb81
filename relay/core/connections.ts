import type { DeviceId, UserId } from "../../shared/ids.js";
import { type RelayFrame, relayFrames } from "../../shared/protocol.js";
import type { Metrics } from "./ports.js";

/** Names a connection among all of all nodes. */
export interface Address {
  readonly node: string;
  readonly connection: number;
}

/** A connection that has proved which device it is. */
export interface Peer {
  readonly userId: UserId;
  readonly deviceId: DeviceId;
  readonly address: Address;
  /** False once it has ended. */
  readonly open: boolean;
  send(frame: Uint8Array): void;
  /** The same device has connected anew: this connection ends. */
  replaced(): void;
  /** The device was taken out of its account: this connection ends. */
  removed(): void;
}

/** What certain devices are sent in place of what all others are. */
export interface Instead<F> {
  readonly devices: ReadonlySet<DeviceId>;
  readonly frame: F;
}

/** The other nodes of the relay, as far as connections need them. */
export interface Elsewhere {
  /** Sends it to the nodes where these users' connections are known; gives the users of this one. */
  push(
    users: readonly UserId[],
    frame: RelayFrame,
    except: Address | undefined,
    instead: Instead<RelayFrame> | undefined,
  ): readonly UserId[];
  /** As it may be pushed where pushes come from several nodes. */
  pushable(frame: RelayFrame): RelayFrame;
}

type Encoded = () => Uint8Array;

/** Encoded once for all, and not at all where nobody gets it. */
function once(frame: RelayFrame): Encoded {
  let bytes: Uint8Array | undefined;
  return () => {
    bytes ??= relayFrames.encode(frame);
    return bytes;
  };
}

/** Who is connected: a hash table from users to their devices' connections, one per device. */
export class Connections {
  readonly #users = new Map<UserId, Map<DeviceId, Peer>>();
  readonly #metrics: Metrics;
  readonly #elsewhere: Elsewhere | null;

  /** Without other nodes, `elsewhere` is null. */
  constructor(metrics: Metrics, elsewhere: Elsewhere | null) {
    this.#metrics = metrics;
    this.#elsewhere = elsewhere;
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

  /** To all connected devices of these users but one connection. */
  push(
    users: readonly UserId[],
    frame: RelayFrame,
    except?: Peer,
    instead?: Instead<RelayFrame>,
  ): void {
    const elsewhere = this.#elsewhere;
    if (!elsewhere) {
      const short = instead && { devices: instead.devices, frame: once(instead.frame) };
      this.#spread(users, once(frame), except?.address, short);
      return;
    }
    const pushed = elsewhere.pushable(frame);
    const short = instead && { ...instead, frame: elsewhere.pushable(instead.frame) };
    const here = elsewhere.push(users, pushed, except?.address, short);
    const shortHere = short && { devices: short.devices, frame: once(short.frame) };
    this.#spread(here, once(pushed), except?.address, shortHere);
  }

  /** What another node pushes to users whose connections are known here. */
  pushEncoded(
    users: readonly UserId[],
    frame: Uint8Array,
    except: Address | undefined,
    instead: Instead<Uint8Array> | undefined,
  ): void {
    const short = instead && { devices: instead.devices, frame: () => instead.frame };
    this.#spread(users, () => frame, except, short);
  }

  #spread(
    users: readonly UserId[],
    frame: Encoded,
    except: Address | undefined,
    instead: Instead<Encoded> | undefined,
  ): void {
    for (const user of users) {
      for (const peer of this.of(user)) {
        if (except && isAt(peer, except)) continue;
        peer.send(instead?.devices.has(peer.deviceId) ? instead.frame() : frame());
        this.#metrics.count("fanOut");
      }
    }
  }
}

const isAt = ({ address }: Peer, { node, connection }: Address): boolean =>
  address.connection === connection && address.node === node;
