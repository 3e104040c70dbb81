import type { DeviceId, UserId } from "../../shared/ids.js";
import { type KeyValue, under, type Write } from "../../shared/key-value.js";
import type { Person } from "../../shared/protocol.js";
import type { Device, Directory, NewAccount } from "../core/ports.js";
import { keys, rows } from "./rows.js";
import { Serial } from "./serial.js";

export class KvDirectory implements Directory {
  readonly #kv: KeyValue;
  /** A handle is looked up and taken in one go. */
  readonly #serial = new Serial();

  constructor(kv: KeyValue) {
    this.#kv = kv;
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
    const found = await this.#kv.range({ ...under(keys.handle(prefix)), limit });
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
      const used = await this.#number(keys.inviteUses(invite.code));
      if (invite.uses !== null && used >= invite.uses) return "invite_invalid";
      put(keys.inviteUses(invite.code), rows.number.encode(used + 1));
    }
    put(keys.user(user.userId), rows.user.encode(user));
    put(keys.handle(user.handle), rows.userId.encode(user.userId));
    put(keys.device(device.deviceId), rows.device.encode(device));
    put(keys.userCount, rows.number.encode((await this.userCount()) + 1));
    await this.#kv.batch(writes);
    return user;
  }

  userCount(): Promise<number> {
    return this.#number(keys.userCount);
  }

  lastSeen(user: UserId): Promise<number> {
    return this.#number(keys.lastSeen(user));
  }

  async setLastSeen(user: UserId, at: number): Promise<void> {
    const write = { type: "put", key: keys.lastSeen(user), value: rows.number.encode(at) } as const;
    await this.#kv.batch([write], false);
  }

  async #number(key: string): Promise<number> {
    const stored = await this.#kv.get(key);
    return stored ? rows.number.decode(key, stored) : 0;
  }
}
