import type { DeviceId, UserId } from "../../shared/ids.js";
import type { Person } from "../../shared/protocol.js";
import { MAX_CACHED_PEOPLE } from "./bounds.js";
import { type Lifetime, Lru } from "./lru.js";
import type { Device, Directory } from "./ports.js";

/** Tells all nodes of the relay, where there are several; resolves when they know. */
type TellRemoved = (id: DeviceId) => Promise<void>;

/** Users and devices, those in use kept in memory: all that ever changes is that a device is removed. */
export class People {
  readonly #directory: Directory;
  readonly #users = new Lru<UserId, Person>(MAX_CACHED_PEOPLE);
  readonly #devices: Lru<DeviceId, Device>;
  readonly #tell: TellRemoved | null;
  #removals = 0;

  constructor(directory: Directory, tell: TellRemoved | null, lifetime: Lifetime | null) {
    this.#directory = directory;
    this.#tell = tell;
    this.#devices = new Lru(MAX_CACHED_PEOPLE, lifetime);
  }

  async user(id: UserId): Promise<Person | null> {
    const cached = this.#users.get(id);
    if (cached) return cached;
    const person = await this.#directory.user(id);
    if (person) this.#users.set(id, person);
    return person;
  }

  async device(id: DeviceId): Promise<Device | null> {
    const cached = this.#devices.get(id);
    if (cached) return cached;
    const removals = this.#removals;
    const device = await this.#directory.device(id);
    // What was read before a removal says nothing of it.
    if (device && removals === this.#removals) this.#devices.set(id, device);
    return device;
  }

  /** As the store has it now: what other nodes do may be told late, or not at all. */
  currentDevice(id: DeviceId): Promise<Device | null> {
    if (this.#tell) this.#devices.delete(id);
    return this.device(id);
  }

  /** The device was removed. Resolves when all nodes know, but for those that are not to be reached. */
  async removed(id: DeviceId): Promise<void> {
    this.forgetHere(id);
    await this.#tell?.(id);
  }

  /** Another node has told that it was removed. */
  forgetHere(id: DeviceId): void {
    this.#removals++;
    this.#devices.delete(id);
  }

  /** Nodes have come or gone: of removals they may not have told. */
  forgetAll(): void {
    this.#removals++;
    this.#devices.clear();
  }

  /** An empty prefix would list everybody, so it finds nobody. */
  async search(prefix: string, limit: number): Promise<readonly Person[]> {
    if (prefix === "" || limit === 0) return [];
    // Also keeps what cannot be part of a handle out of a key.
    if (!/^[a-z0-9_]+$/.test(prefix)) return [];
    return this.#directory.search(prefix, limit);
  }
}
