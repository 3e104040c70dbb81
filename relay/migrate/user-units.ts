/** Users, their devices and inboxes of the embedded store as rows of Cassandra. */
import { DovetailError } from "../../shared/errors.js";
import type { ConversationId, DeviceId, UserId } from "../../shared/ids.js";
import type { Device } from "../core/ports.js";
import { START_LETTERS } from "../store/cassandra/directory.js";
import type { Unit } from "../store/cassandra/filling.js";
import { CODES_PARTITION } from "../store/cassandra/registration-codes.js";
import type { Statement } from "../store/cassandra/statement.js";
import { keys, rows } from "../store/rows.js";
import { lastPart, rowsUnder, type Source } from "./source.js";

/** Conversations of somebody: all of them, as a number that LevelDB takes. */
const ALL = 1_000_000_000;
/** Of rows that no change of a log has written: less than all, or as much. */
const OLDEST_VERSION = 1;

export interface UserUnit {
  readonly unit: Unit;
  readonly devices: number;
}

/** @throws DovetailError `profile_corrupt` where a user is not whole. */
export async function userUnit(source: Source, user: UserId): Promise<UserUnit> {
  const { store, directory } = source;
  const devices = await allDevices(source, user);
  const person = await store.directory.user(user);
  const [registered] = devices
    .filter(({ addedBy }) => addedBy === null)
    .sort((a, b) => a.addedAt - b.addedAt);
  if (!person || !registered) {
    throw new DovetailError("profile_corrupt", `The user ${user} has no name or no first device.`);
  }
  const { handle } = person;
  const statements: Statement[] = [
    {
      query: "INSERT INTO handle (handle, user, device) VALUES (?, ?, ?)",
      params: [handle, user, registered.deviceId],
    },
    {
      query: "INSERT INTO user (id, value) VALUES (?, ?)",
      params: [user, rows.user.encode(person)],
    },
    {
      query: "INSERT INTO handle_by_start (start, handle, user) VALUES (?, ?, ?)",
      params: [handle.slice(0, START_LETTERS), handle, user],
    },
    { query: "INSERT INTO device (user, version) VALUES (?, ?)", params: [user, OLDEST_VERSION] },
  ];
  for (const device of devices) {
    const { deviceId } = device;
    statements.push(
      {
        query: "INSERT INTO device_owner (device, user) VALUES (?, ?)",
        params: [deviceId, user],
      },
      {
        query: "INSERT INTO device (user, device, value) VALUES (?, ?, ?)",
        params: [user, deviceId, rows.device.encode(device)],
      },
    );
  }
  for (const id of [user, ...devices.map(({ deviceId }) => deviceId)]) {
    const at = await store.directory.lastSeen(id);
    if (at > 0) {
      statements.push({ query: "INSERT INTO seen (id, at) VALUES (?, ?)", params: [id, at] });
    }
  }
  for await (const { key } of rowsUnder(directory, keys.blocks(user))) {
    statements.push({
      query: "INSERT INTO block (user, other, blocked) VALUES (?, ?, ?)",
      params: [user, lastPart(key), true],
    });
  }
  const unit = {
    name: `user/${user}`,
    cleared: [{ query: "DELETE FROM block WHERE user = ?", params: [user] }],
    statements,
  };
  return { unit, devices: devices.length };
}

/** Also those that were removed. */
async function allDevices({ store, directory }: Source, user: UserId): Promise<Device[]> {
  const devices: Device[] = [];
  for await (const { key } of rowsUnder(directory, keys.devicesOf(user))) {
    const device = await store.directory.device(lastPart(key) as DeviceId);
    if (!device) throw new DovetailError("profile_corrupt", `A device of ${user} is missing.`);
    devices.push(device);
  }
  return devices;
}

/** After the logs, which see to it that everybody is told of them. */
export async function inboxUnit({ store }: Source, user: UserId): Promise<Unit> {
  const { logs } = store;
  const groups = new Set<ConversationId>(await logs.groupsOf(user));
  const changes = await logs.changes(user, 0, ALL);
  const told = new Set(changes.map(({ conversationId }) => conversationId));
  const rest = [...groups].filter((id) => !told.has(id));
  return {
    name: `inbox/${user}`,
    cleared: [{ query: "DELETE FROM inbox WHERE user = ?", params: [user] }],
    statements: [
      {
        query: "INSERT INTO inbox (user, newest) VALUES (?, ?)",
        params: [user, await logs.newestStamp(user)],
      },
      ...changes.map(({ conversationId, stamp }) => ({
        query:
          "INSERT INTO inbox (user, conversation, stamp, version, member) VALUES (?, ?, ?, ?, ?)",
        params: [user, conversationId, stamp, OLDEST_VERSION, groups.has(conversationId)],
      })),
      ...rest.map((conversationId) => ({
        query: "INSERT INTO inbox (user, conversation, version, member) VALUES (?, ?, ?, ?)",
        params: [user, conversationId, OLDEST_VERSION, true],
      })),
    ],
  };
}

/** The codes by which one registers, and how often each was used. */
export async function* codeUnits({ directory, store }: Source): AsyncGenerator<Unit> {
  const unit = (name: string, query: string, params: Statement["params"]): Unit => ({
    name,
    cleared: [],
    statements: [{ query, params }],
  });
  for await (const { key, value } of rowsUnder(directory, keys.inviteUses(""))) {
    const query = "INSERT INTO registration (code, used) VALUES (?, ?)";
    yield unit(key, query, [lastPart(key), rows.number.decode(key, value)]);
  }
  for await (const { key, value } of rowsUnder(directory, keys.code(""))) {
    const query = "INSERT INTO registration_code (partition, code, value) VALUES (?, ?, ?)";
    yield unit(key, query, [CODES_PARTITION, lastPart(key), value]);
  }
  const query = "INSERT INTO registration_code (partition, needed) VALUES (?, ?)";
  const needed = await store.directory.codes.needed();
  yield unit(keys.codesNeeded, query, [CODES_PARTITION, needed]);
}
