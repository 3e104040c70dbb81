/** How each row looks. The first byte is the version of its kind; the rest is a struct of the codec. */
import {
  bool,
  bytes,
  conversationId,
  decode,
  deviceId,
  encode,
  type Field,
  fixed,
  list,
  oneOf,
  optional,
  struct,
  text,
  uint,
  userId,
} from "../../shared/codec.js";
import { DovetailError } from "../../shared/errors.js";
import type { ConversationId, DeviceId, UserId } from "../../shared/ids.js";
import { sortable } from "../../shared/key-value.js";
import { MAX_MEMBERS, MAX_NAME_BYTES, MAX_PAYLOAD_BYTES } from "../../shared/limits.js";
import { membership, PUBLIC_KEY_BYTES, SIGNATURE_BYTES } from "../../shared/protocol.js";

interface Row<T> {
  encode(value: T): Uint8Array;
  /** @throws DovetailError `profile_newer` or `profile_corrupt`. */
  decode(key: string, stored: Uint8Array): T;
}

const ROW_VERSION = 1;

function row<T>(field: Field<T>): Row<T> {
  const versioned = struct({ version: uint(0x3f), value: field as Field<unknown> });
  return {
    encode: (value) => encode(versioned, { version: ROW_VERSION, value }),
    decode(key, stored) {
      const version = stored[0] ?? 0;
      if (version > ROW_VERSION) {
        throw new DovetailError("profile_newer", `The row ${key} was written by a newer relay.`);
      }
      try {
        return decode(versioned, stored).value as T;
      } catch (error) {
        throw new DovetailError("profile_corrupt", `The row ${key} is damaged.`, { cause: error });
      }
    },
  };
}

const name = text(MAX_NAME_BYTES);

export const rows = {
  number: row(uint()),
  name: row(text(256)),
  user: row(struct({ handle: text(64), displayName: name })),
  userId: row(userId),
  device: row(
    struct({
      userId,
      name,
      publicKey: fixed(PUBLIC_KEY_BYTES),
      addedAt: uint(),
      removed: bool,
      addedBy: optional(struct({ deviceId, signature: fixed(SIGNATURE_BYTES) })),
    }),
  ),
  deviceId: row(deviceId),
  conversation: row(
    struct({ kind: oneOf("direct", "group", "notes"), members: list(userId, MAX_MEMBERS) }),
  ),
  conversationId: row(conversationId),
  cursor: row(struct({ deliveredUpTo: uint(), readUpTo: uint() })),
  entry: row(
    struct({
      userId,
      deviceId,
      n: uint(),
      at: uint(),
      ttl: uint(),
      membership: optional(membership),
      payload: bytes(MAX_PAYLOAD_BYTES),
    }),
  ),
};

/** Where each row stands. Prefixes end in "/" so that no id can run into the next part. */
export const keys = {
  schema: "meta/schema",
  relayName: "meta/name",
  userCount: "meta/users",
  stamp: "meta/stamp",
  probe: "meta/probe",
  user: (id: UserId) => `user/${id}`,
  handle: (handle: string) => `handle/${handle}`,
  device: (id: DeviceId) => `device/${id}`,
  inviteUses: (code: string) => `invite/${code}`,
  /** A user's devices, also the removed ones. */
  devicesOf: (user: UserId) => `devices/${user}/`,
  deviceOf: (user: UserId, id: DeviceId) => `devices/${user}/${id}`,
  lastSeen: (id: UserId | DeviceId) => `seen/${id}`,
  conversation: (id: ConversationId) => `conversation/${id}`,
  head: (id: ConversationId) => `head/${id}`,
  lastN: (id: ConversationId, device: DeviceId) => `last/${id}/${device}`,
  entry: (id: ConversationId, seq: number) => `entry/${id}/${sortable(seq)}`,
  origin: (id: ConversationId, device: DeviceId, n: number) =>
    `origin/${id}/${device}/${sortable(n)}`,
  cursors: (id: ConversationId) => `cursor/${id}/`,
  cursor: (id: ConversationId, user: UserId) => `cursor/${id}/${user}`,
  /** One row per user and conversation, at the stamp of its newest change. */
  inbox: (user: UserId, stamp: number) => `inbox/${user}/${sortable(stamp)}`,
  inboxAt: (user: UserId, id: ConversationId) => `inbox-at/${user}/${id}`,
};
