import { DovetailError } from "../../../shared/errors.js";
import type { DeviceId, UserId } from "../../../shared/ids.js";
import { MAX_DEVICES } from "../../../shared/limits.js";
import type { Person } from "../../../shared/protocol.js";
import type { Device, Directory, NewAccount } from "../../core/ports.js";
import { rows } from "../rows.js";
import type { Database } from "./database.js";
import { CassandraRegistrationCodes } from "./registration-codes.js";
import type { Statement } from "./statement.js";
import { contended, tries } from "./tries.js";
import { UserCount } from "./user-count.js";

/** Of a handle, by which those that are searched are put into partitions. */
export const START_LETTERS = 2;
const LETTERS = [..."0123456789_abcdefghijklmnopqrstuvwxyz"];

export class CassandraDirectory implements Directory {
  readonly codes: CassandraRegistrationCodes;
  readonly #database: Database;
  readonly #users: UserCount;

  constructor(database: Database) {
    this.#database = database;
    this.#users = new UserCount(database);
    this.codes = new CassandraRegistrationCodes(database);
  }

  async user(id: UserId): Promise<Person | null> {
    const row = await this.#database.one("SELECT value FROM user WHERE id = ?", [id]);
    return row ? { userId: id, ...rows.user.decode(`user/${id}`, row.value as Uint8Array) } : null;
  }

  async device(id: DeviceId): Promise<Device | null> {
    const owner = await this.#database.one("SELECT user FROM device_owner WHERE device = ?", [id]);
    if (!owner) return null;
    const query = "SELECT device, value FROM device WHERE user = ? AND device = ?";
    const row = await this.#database.one(query, [owner.user as string, id]);
    return row ? deviceOf(row.device as DeviceId, row.value as Uint8Array) : null;
  }

  async devices(user: UserId): Promise<readonly Device[]> {
    return (await this.#devices(user)).devices
      .filter((device) => !device.removed)
      .sort((a, b) => a.addedAt - b.addedAt);
  }

  async addDevice(device: Device): Promise<Device | "too_many_devices"> {
    return this.#changeDevices<Device | "too_many_devices">(device.userId, async (devices) => {
      const known =
        devices.find(({ deviceId }) => deviceId === device.deviceId) ??
        (await this.device(device.deviceId));
      if (known) return { result: known, device: null };
      const kept = devices.filter(({ removed }) => !removed);
      if (kept.length >= MAX_DEVICES) return { result: "too_many_devices", device: null };
      const owner = await this.#claimDevice(device.deviceId, device.userId);
      if (owner !== device.userId) {
        throw new DovetailError("not_allowed", "The device is being added to another account.");
      }
      return { result: device, device };
    });
  }

  async removeDevice(user: UserId, id: DeviceId): Promise<boolean> {
    return this.#changeDevices(user, async (devices) => {
      const device = devices.find(({ deviceId }) => deviceId === id);
      if (!device) return { result: false, device: null };
      return { result: true, device: { ...device, removed: true } };
    });
  }

  async search(prefix: string, limit: number): Promise<readonly Person[]> {
    return this.#people(startsOf(prefix), { from: prefix, to: `${prefix}~` }, limit);
  }

  async usersAfter(handle: string | null, limit: number): Promise<readonly Person[]> {
    const after = handle ?? "";
    const starts = startsOf("").filter((start) => start >= after.slice(0, START_LETTERS));
    return this.#people(starts, { from: `${after}\0`, to: "~" }, limit);
  }

  /** With handles from the one on and before the other, in those partitions. */
  async #people(
    starts: readonly string[],
    { from, to }: { readonly from: string; readonly to: string },
    limit: number,
  ): Promise<readonly Person[]> {
    const handles: UserId[] = [];
    for (const start of starts) {
      const found = await this.#database.all(
        `SELECT user FROM handle_by_start
          WHERE start = ? AND handle >= ? AND handle < ? LIMIT ?`,
        [start, from, to, limit - handles.length],
      );
      handles.push(...found.map((row) => row.user as UserId));
      if (handles.length >= limit) break;
    }
    const people = await Promise.all(handles.map((id) => this.user(id)));
    return people.filter((person) => person !== null);
  }

  async register(account: NewAccount): Promise<Person | "handle_taken" | "invite_invalid"> {
    const { user, device, invite } = account;
    const known = await this.device(device.deviceId);
    const owner = known && (await this.user(known.userId));
    if (owner) return owner.handle === user.handle ? owner : "handle_taken";
    const there = await this.#database.one(
      "SELECT user, device FROM handle WHERE handle = ?",
      [user.handle],
      true,
    );
    if (there && there.device !== device.deviceId) return "handle_taken";
    // A device takes one use, however often it tries.
    if (invite && !(await this.#take(invite.code, device.deviceId, invite.uses))) {
      return "invite_invalid";
    }
    const holder = await this.#claim(
      {
        query: "INSERT INTO handle (handle, user, device) VALUES (?, ?, ?) IF NOT EXISTS",
        params: [user.handle, user.userId, device.deviceId],
      },
      { query: "SELECT user, device FROM handle WHERE handle = ?", params: [user.handle] },
    );
    if (holder.device !== device.deviceId) return "handle_taken";
    // The device may have been here before and not have come to the end.
    const userId = holder.user as UserId;
    if ((await this.#claimDevice(device.deviceId, userId)) !== userId) return "handle_taken";
    const person = { ...user, userId };
    await this.#database.write([
      {
        query: "INSERT INTO user (id, value) VALUES (?, ?)",
        params: [userId, rows.user.encode(person)],
      },
      {
        query: "INSERT INTO handle_by_start (start, handle, user) VALUES (?, ?, ?)",
        params: [user.handle.slice(0, START_LETTERS), user.handle, userId],
      },
    ]);
    // Last: with its device an account is complete.
    await this.#changeDevices(userId, async () => ({
      result: null,
      device: { ...device, userId },
    }));
    this.#users.registered();
    return person;
  }

  userCount(): Promise<number> {
    return this.#users.get();
  }

  async blockedBy(user: UserId): Promise<readonly UserId[]> {
    const query = "SELECT other, blocked FROM block WHERE user = ?";
    const found = await this.#database.all(query, [user]);
    return found.filter((row) => row.blocked).map((row) => row.other as UserId);
  }

  async setBlocked(user: UserId, other: UserId, blocked: boolean): Promise<void> {
    const query = "INSERT INTO block (user, other, blocked) VALUES (?, ?, ?)";
    await this.#database.write([{ query, params: [user, other, blocked] }]);
  }

  async lastSeen(id: UserId | DeviceId): Promise<number> {
    const row = await this.#database.one("SELECT at FROM seen WHERE id = ?", [id]);
    return Number(row?.at ?? 0);
  }

  async setLastSeen(seen: ReadonlyMap<UserId | DeviceId, number>): Promise<void> {
    const query = "INSERT INTO seen (id, at) VALUES (?, ?)";
    await this.#database.write([...seen].map((params) => ({ query, params })));
  }

  async #devices(user: UserId) {
    const query = "SELECT device, version, value FROM device WHERE user = ?";
    const found = await this.#database.all(query, [user], true);
    return {
      version: Number(found[0]?.version ?? 0),
      devices: found.map((row) => deviceOf(row.device as DeviceId, row.value as Uint8Array)),
    };
  }

  async #changeDevices<T>(
    user: UserId,
    plan: (devices: readonly Device[]) => Promise<{ result: T; device: Device | null }>,
  ): Promise<T> {
    for await (const _ of tries()) {
      const { version, devices } = await this.#devices(user);
      const { result, device } = await plan(devices);
      if (!device) return result;
      // Where nobody can tell whether it was written, the next round finds it, or writes it again.
      const outcome = await this.#database.cas([
        {
          query: `UPDATE device SET version = ? WHERE user = ? IF version = ${version > 0 ? "?" : "null"}`,
          params: [version + 1, user, ...(version > 0 ? [version] : [])],
        },
        {
          query: "INSERT INTO device (user, device, value) VALUES (?, ?, ?)",
          params: [user, device.deviceId, rows.device.encode(device)],
        },
      ]);
      if (outcome !== "unknown" && outcome.applied) return result;
    }
    throw tooMany();
  }

  /** Whose the device is: this user's, where it was nobody's. */
  async #claimDevice(device: DeviceId, user: UserId): Promise<UserId> {
    const holder = await this.#claim(
      {
        query: "INSERT INTO device_owner (device, user) VALUES (?, ?) IF NOT EXISTS",
        params: [device, user],
      },
      { query: "SELECT user FROM device_owner WHERE device = ?", params: [device] },
    );
    return holder.user as UserId;
  }

  /** The row that is there then, whoever wrote it. */
  async #claim(insert: Statement, select: Statement) {
    for await (const _ of tries()) {
      await this.#database.cas([insert]);
      const row = await this.#database.one(select.query, select.params, true);
      if (row) return row;
    }
    throw tooMany();
  }

  async #take(code: string, device: DeviceId, uses: number | null): Promise<boolean> {
    for await (const _ of tries()) {
      const counted = await this.#database.one(
        "SELECT used FROM registration WHERE code = ? LIMIT 1",
        [code],
        true,
      );
      const mine = "SELECT device FROM registration WHERE code = ? AND device = ?";
      if (await this.#database.one(mine, [code, device])) return true;
      const used = Number(counted?.used ?? 0);
      if (uses !== null && used >= uses) return false;
      await this.#database.cas([
        {
          query: `UPDATE registration SET used = ? WHERE code = ? IF used = ${used > 0 ? "?" : "null"}`,
          params: [used + 1, code, ...(used > 0 ? [used] : [])],
        },
        { query: "INSERT INTO registration (code, device) VALUES (?, ?)", params: [code, device] },
      ]);
    }
    throw tooMany();
  }
}

const deviceOf = (deviceId: DeviceId, stored: Uint8Array): Device => ({
  deviceId,
  ...rows.device.decode(`device/${deviceId}`, stored),
});

const tooMany = (): DovetailError => contended("The directory is written by too many at once.");

/** The partitions that may hold handles with that prefix, in alphabetical order. */
function startsOf(prefix: string): readonly string[] {
  if (prefix.length >= START_LETTERS) return [prefix.slice(0, START_LETTERS)];
  const firsts = prefix === "" ? LETTERS : [prefix];
  return firsts.flatMap((first) => LETTERS.map((second) => first + second));
}
