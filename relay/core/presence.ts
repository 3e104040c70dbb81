import type { DeviceId, UserId } from "../../shared/ids.js";
import { MAX_DEVICES } from "../../shared/limits.js";
import { type Presence, relayFrames } from "../../shared/protocol.js";
import type { Clock, Log } from "../../shared/runtime.js";
import type { Acquaintances, TellUsers } from "./acquaintances.js";
import {
  ASK_AGAIN_MS,
  MAX_CACHED_PEOPLE,
  MAX_SEEN_TOGETHER,
  MAX_UNWRITTEN_SEEN,
} from "./bounds.js";
import type { Connections, Peer } from "./connections.js";
import { type Lifetime, Lru } from "./lru.js";
import type { Directory } from "./ports.js";

/** Who is there, who wants to know it, and when somebody was last seen. */
export class PresenceBoard {
  readonly #directory: Directory;
  readonly #acquaintances: Acquaintances;
  readonly #connections: Connections;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #tellReconsider: TellUsers | null;
  readonly #watchers = new Map<UserId, Set<Peer>>();
  /** Whom each connection wants to follow, and whether it may. */
  readonly #watched = new Map<Peer, Map<UserId, boolean>>();
  readonly #lastSeen: Lru<UserId, number>;
  /** When somebody was last seen, which nobody has written yet. */
  readonly #unwritten = new Map<UserId | DeviceId, number>();
  #writing = false;
  #writeNow = (): void => {};
  #stopping = false;
  readonly #running = new Set<Promise<void>>();

  constructor(
    ports: { directory: Directory; clock: Clock; log: Log },
    acquaintances: Acquaintances,
    connections: Connections,
    tellReconsider: TellUsers | null,
    lifetime: Lifetime | null,
  ) {
    this.#tellReconsider = tellReconsider;
    this.#lastSeen = new Lru(MAX_CACHED_PEOPLE, lifetime);
    this.#directory = ports.directory;
    this.#clock = ports.clock;
    this.#log = ports.log;
    this.#acquaintances = acquaintances;
    this.#connections = connections;
  }

  /** To somebody who may not see them, everyone looks offline and never seen. */
  async states(asker: UserId, users: readonly UserId[]): Promise<readonly Presence[]> {
    const seen = await Promise.all(
      users.map(async (user) =>
        (await this.#acquaintances.sees(asker, user)) ? this.#lastSeenOf(user) : null,
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
      users.map((user) => this.#acquaintances.sees(peer.userId, user)),
    );
    this.unwatch(peer);
    // It may have gone while the store was asked, and nobody would end its watch then.
    if (peer.open) {
      this.#watched.set(peer, new Map(users.map((user, i) => [user, known[i] === true])));
      for (const user of users) {
        const watchers = this.#watchers.get(user);
        if (watchers) watchers.add(peer);
        else this.#watchers.set(user, new Set([peer]));
      }
    }
    return this.states(peer.userId, users);
  }

  /** Looks again who of these may see whom, and tells those for whom it has changed. */
  reconsider(users: readonly UserId[]): void {
    this.reconsiderHere(users);
    this.#tellReconsider?.(users);
  }

  /** Of those who are watched here. */
  reconsiderHere(users: readonly UserId[]): void {
    const concerned = new Set(users);
    for (const user of users) {
      for (const watcher of this.#watchers.get(user) ?? []) {
        if (concerned.has(watcher.userId)) this.#track(this.#reconsider(watcher, user));
      }
    }
  }

  async #reconsider(watcher: Peer, user: UserId): Promise<void> {
    const sees = await this.#acquaintances.sees(watcher.userId, user);
    const watched = this.#watched.get(watcher);
    if (watched?.get(user) === !sees) {
      watched.set(user, sees);
      const states = await this.states(watcher.userId, [user]);
      for (const presence of states) {
        watcher.send(relayFrames.encode({ type: "presence", presence }));
      }
    }
  }

  /** Those who may have a direct channel to a device that is none of its user's any more. */
  deviceRemoved(userId: UserId, deviceId: DeviceId): void {
    const frame = relayFrames.encode({ type: "deviceRemoved", userId, deviceId });
    for (const watcher of this.#watchers.get(userId) ?? []) watcher.send(frame);
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
    this.unwatch(peer);
    if (!last) return;
    const { userId } = peer;
    const devices = this.#devicesOf(userId);
    const now = this.#clock.now();
    this.#saw(userId, peer.deviceId, devices.length === 0, now);
    this.#tell({ userId, devices, lastSeen: devices.length > 0 ? 0 : now });
  }

  /** Nodes have come or gone: others may have seen them since. */
  forgetSeen(): void {
    this.#lastSeen.clear();
  }

  /** Resolves once what was seen is written, or was tried: from now on nothing is tried again. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#writeNow();
    await Promise.all(this.#running);
  }

  #devicesOf(user: UserId) {
    return this.#connections.devicesOf(user).slice(0, MAX_DEVICES);
  }

  async #lastSeenOf(user: UserId): Promise<number> {
    return this.#lastSeen.get(user) ?? (await this.#directory.lastSeen(user));
  }

  #saw(user: UserId, device: DeviceId, wasLast: boolean, now: number): void {
    this.#unwritten.set(device, now);
    if (wasLast) {
      this.#lastSeen.set(user, now);
      this.#unwritten.set(user, now);
    }
    if (!this.#writing) this.#track(this.#writeSeen());
  }

  /** While one write is running, all who leave are collected into the next: many do together. */
  async #writeSeen(): Promise<void> {
    this.#writing = true;
    while (this.#unwritten.size > 0) {
      const some = new Map<UserId | DeviceId, number>();
      for (const [id, at] of this.#unwritten) {
        this.#unwritten.delete(id);
        if (some.set(id, at).size === MAX_SEEN_TOGETHER) break;
      }
      try {
        await this.#directory.setLastSeen(some);
      } catch (error) {
        this.#log.warn("presence.not-written", { count: some.size, error });
        if (!this.#stopping) await this.#writeLater(some);
      }
    }
    this.#writing = false;
  }

  /** Takes it back, but of whoever was seen again meanwhile; where that would be too many, it is lost. */
  async #writeLater(seen: ReadonlyMap<UserId | DeviceId, number>): Promise<void> {
    for (const [id, at] of seen) {
      if (this.#unwritten.size >= MAX_UNWRITTEN_SEEN) break;
      if (!this.#unwritten.has(id)) this.#unwritten.set(id, at);
    }
    await new Promise<void>((resolve) => {
      const timer = this.#clock.after(ASK_AGAIN_MS, resolve);
      this.#writeNow = () => {
        timer.cancel();
        resolve();
      };
    });
  }

  #track(work: Promise<void>): void {
    const running = work
      .catch((error) => this.#log.warn("presence.failed", { error }))
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  #tell(presence: Presence): void {
    const watchers = this.#watchers.get(presence.userId);
    if (!watchers) return;
    const frame = relayFrames.encode({ type: "presence", presence });
    for (const watcher of watchers) {
      if (this.#watched.get(watcher)?.get(presence.userId)) watcher.send(frame);
    }
  }

  /** The connection watches nobody any more. */
  unwatch(peer: Peer): void {
    for (const user of this.#watched.get(peer)?.keys() ?? []) {
      const watchers = this.#watchers.get(user);
      watchers?.delete(peer);
      if (watchers?.size === 0) this.#watchers.delete(user);
    }
    this.#watched.delete(peer);
  }
}
