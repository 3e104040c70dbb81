import type { DeviceId, UserId } from "../../shared/ids.js";
import { MAX_DEVICES } from "../../shared/limits.js";
import { type Presence, relayFrames } from "../../shared/protocol.js";
import type { Clock, Log } from "../../shared/runtime.js";
import { MAX_CACHED_PEOPLE } from "./bounds.js";
import type { Connections, Peer } from "./connections.js";
import type { Conversations } from "./conversations.js";
import { Lru } from "./lru.js";
import type { Directory } from "./ports.js";

/** Who is there, who wants to know it, and when somebody was last seen. */
export class PresenceBoard {
  readonly #directory: Directory;
  readonly #conversations: Conversations;
  readonly #connections: Connections;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #watchers = new Map<UserId, Set<Peer>>();
  readonly #watched = new Map<Peer, ReadonlySet<UserId>>();
  readonly #lastSeen = new Lru<UserId, number>(MAX_CACHED_PEOPLE);
  readonly #writing = new Set<Promise<void>>();

  constructor(
    ports: { directory: Directory; clock: Clock; log: Log },
    conversations: Conversations,
    connections: Connections,
  ) {
    this.#directory = ports.directory;
    this.#clock = ports.clock;
    this.#log = ports.log;
    this.#conversations = conversations;
    this.#connections = connections;
  }

  /** To somebody with whom they share no conversation, everyone looks offline and never seen. */
  async states(asker: UserId, users: readonly UserId[]): Promise<readonly Presence[]> {
    const seen = await Promise.all(
      users.map(async (user) =>
        (await this.#conversations.acquainted(asker, user)) ? this.#lastSeenOf(user) : null,
      ),
    );
    // Nothing is awaited any more, so that no older state is told after a newer one.
    return users.map((userId, i) => {
      const known = seen[i] !== null;
      const devices = known ? this.#devicesOf(userId) : [];
      const lastSeen = devices.length > 0 ? 0 : (this.#lastSeen.get(userId) ?? seen[i] ?? 0);
      return { userId, devices, lastSeen: known ? lastSeen : 0 };
    });
  }

  /** Replaces what the connection watches. */
  async watch(peer: Peer, users: readonly UserId[]): Promise<readonly Presence[]> {
    const known = await Promise.all(
      users.map((user) => this.#conversations.acquainted(peer.userId, user)),
    );
    this.#unwatch(peer);
    // It may have gone while the store was asked, and nobody would end its watch then.
    if (this.#connections.get(peer.userId, peer.deviceId) === peer) {
      const watched = new Set(users.filter((_, i) => known[i]));
      this.#watched.set(peer, watched);
      for (const user of watched) {
        const watchers = this.#watchers.get(user);
        if (watchers) watchers.add(peer);
        else this.#watchers.set(user, new Set([peer]));
      }
    }
    return this.states(peer.userId, users);
  }

  arrived(peer: Peer): void {
    this.#tell({
      userId: peer.userId,
      devices: this.#devicesOf(peer.userId),
      lastSeen: 0,
    });
  }

  /** `last` where no newer connection of the device has taken its place. */
  left(peer: Peer, last: boolean): void {
    this.#unwatch(peer);
    if (!last) return;
    const { userId } = peer;
    const devices = this.#devicesOf(userId);
    const now = this.#clock.now();
    this.#saw(userId, peer.deviceId, devices.length === 0, now);
    this.#tell({ userId, devices, lastSeen: devices.length > 0 ? 0 : now });
  }

  /** Resolves once what was seen is written. */
  async idle(): Promise<void> {
    await Promise.all(this.#writing);
  }

  #devicesOf(user: UserId) {
    return this.#connections.devicesOf(user).slice(0, MAX_DEVICES);
  }

  async #lastSeenOf(user: UserId): Promise<number> {
    return this.#lastSeen.get(user) ?? (await this.#directory.lastSeen(user));
  }

  #saw(user: UserId, device: DeviceId, wasLast: boolean, now: number): void {
    if (wasLast) this.#lastSeen.set(user, now);
    const writing = this.#directory
      .setLastSeen(wasLast ? [device, user] : [device], now)
      .catch((error) => this.#log.warn("presence.not-written", { error }))
      .finally(() => this.#writing.delete(writing));
    this.#writing.add(writing);
  }

  #tell(presence: Presence): void {
    const watchers = this.#watchers.get(presence.userId);
    if (!watchers) return;
    const frame = relayFrames.encode({ type: "presence", presence });
    for (const watcher of watchers) watcher.send(frame);
  }

  #unwatch(peer: Peer): void {
    for (const user of this.#watched.get(peer) ?? []) {
      const watchers = this.#watchers.get(user);
      watchers?.delete(peer);
      if (watchers?.size === 0) this.#watchers.delete(user);
    }
    this.#watched.delete(peer);
  }
}
