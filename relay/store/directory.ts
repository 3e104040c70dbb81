import type { DeviceId, UserId } from "../../shared/ids.js";
import { type KeyValue, type Range, under, type Write } from "../../shared/key-value.js";
import { MAX_DEVICES } from "../../shared/limits.js";
import type { Person } from "../../shared/protocol.js";
import type { Device, Directory, NewAccount } from "../core/ports.js";
import { KvRegistrationCodes } from "./registration-codes.js";
import { keys, rows } from "./rows.js";
import { Serial } from "./serial.js";

export class KvDirectory implements Directory {
  readonly codes: KvRegistrationCodes;
  readonly #kv: KeyValue;
  /** A handle is looked up and taken in one go. */
  readonly #serial = new Serial();

  constructor(kv: KeyValue) {
    this.#kv = kv;
    this.codes = new KvRegistrationCodes(kv, this.#serial);
  }

  async user(id: UserId): Promise<Person | null> {
    const key = keys.user(id);
    const stored = await this.#kv.get(key);
    return stored ? { userId: id, ...rows.user.decode(key, stored) } : null;
  }

  async device(id: DeviceId): Promise<Device | null> {
    const key = keys.device(id);
    const stored = await this.#kv.get(key);
    return stored ? { deviceId: id, ...rows.device.decode(key, stored) } : null;
  }

  async search(prefix: string, limit: number): Promise<readonly Person[]> {
    return this.#people({ ...under(keys.handle(prefix)), limit });
  }

  usersAfter(handle: string | null, limit: number): Promise<readonly Person[]> {
    const all = under(keys.handle(""));
    // No key stands between one and that with a zero at its end.
    const from = handle === null ? all.from : `${keys.handle(handle)}\0`;
    return this.#people({ ...all, from, limit });
  }

  async #people(range: Range): Promise<readonly Person[]> {
    const found = await this.#kv.range(range);
    const people = await Promise.all(
      found.map(({ key, value }) => this.user(rows.userId.decode(key, value))),
    );
    return people.filter((person) => person !== null);
  }

  register(account: NewAccount): Promise<Person | "handle_taken" | "invite_invalid"> {
    return this.#serial.run(() => this.#register(account));
  }

  async #register({
    user,
    device,
    invite,
  }: NewAccount): Promise<Person | "handle_taken" | "invite_invalid"> {
    const known = await this.device(device.deviceId);
    const owner = known && (await this.user(known.userId));
    if (owner) return owner.handle === user.handle ? owner : "handle_taken";
    if (await this.#kv.get(keys.handle(user.handle))) return "handle_taken";

    const writes: Write[] = [];
    const put = (key: string, value: Uint8Array) => writes.push({ type: "put", key, value });
    if (invite) {
      const used = await this.codes.used(invite.code);
      if (invite.uses !== null && used >= invite.uses) return "invite_invalid";
      put(keys.inviteUses(invite.code), rows.number.encode(used + 1));
    }
    put(keys.user(user.userId), rows.user.encode(user));
    put(keys.handle(user.handle), rows.userId.encode(user.userId));
    writes.push(...deviceWrites(device));
    put(keys.userCount, rows.number.encode((await this.userCount()) + 1));
    await this.#kv.batch(writes);
    return user;
  }

  async devices(user: UserId): Promise<readonly Device[]> {
    const found = await this.#kv.range(under(keys.devicesOf(user)));
    const devices = await Promise.all(
      found.map(({ key, value }) => this.device(rows.deviceId.decode(key, value))),
    );
    return devices
      .filter((device) => device !== null)
      .filter((device) => !device.removed)
      .sort((a, b) => a.addedAt - b.addedAt);
  }

  addDevice(device: Device): Promise<Device | "too_many_devices"> {
    return this.#serial.run(async () => {
      const known = await this.device(device.deviceId);
      if (known) return known;
      if ((await this.devices(device.userId)).length >= MAX_DEVICES) return "too_many_devices";
      await this.#kv.batch(deviceWrites(device));
      return device;
    });
  }

  removeDevice(user: UserId, id: DeviceId): Promise<boolean> {
    return this.#serial.run(async () => {
      const device = await this.device(id);
      if (device?.userId !== user) return false;
      await this.#kv.batch(deviceWrites({ ...device, removed: true }));
      return true;
    });
  }

  userCount(): Promise<number> {
    return this.#number(keys.userCount);
  }

  async blockedBy(user: UserId): Promise<readonly UserId[]> {
    const found = await this.#kv.range(under(keys.blocks(user)));
    return found.map(({ key, value }) => rows.userId.decode(key, value));
  }

  async setBlocked(user: UserId, other: UserId, blocked: boolean): Promise<void> {
    const key = keys.block(user, other);
    await this.#kv.batch([
      blocked ? { type: "put", key, value: rows.userId.encode(other) } : { type: "del", key },
    ]);
  }

  lastSeen(id: UserId | DeviceId): Promise<number> {
    return this.#number(keys.lastSeen(id));
  }

  async setLastSeen(seen: ReadonlyMap<UserId | DeviceId, number>): Promise<void> {
    const writes = [...seen].map(
      ([id, at]): Write => ({ type: "put", key: keys.lastSeen(id), value: rows.number.encode(at) }),
    );
    await this.#kv.batch(writes, false);
  }

  async #number(key: string): Promise<number> {
    const stored = await this.#kv.get(key);
    return stored ? rows.number.decode(key, stored) : 0;
  }
}

const deviceWrites = (device: Device): Write[] => [
  { type: "put", key: keys.device(device.deviceId), value: rows.device.encode(device) },
  {
    type: "put",
    key: keys.deviceOf(device.userId, device.deviceId),
    value: rows.deviceId.encode(device.deviceId),
  },
];
