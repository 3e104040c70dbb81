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
import {
  MAX_MEMBERS,
  MAX_NAME_BYTES,
  MAX_PAYLOAD_BYTES,
  MAX_PREVIEW_BYTES,
} from "../../shared/limits.js";
import {
  HASH_BYTES,
  membership,
  PUBLIC_KEY_BYTES,
  rights,
  SIGNATURE_BYTES,
} from "../../shared/protocol.js";
import { MAX_CURSOR_DEVICES, MAX_SPANS } from "../core/bounds.js";

interface Row<T> {
  encode(value: T): Uint8Array;
  /** @throws DovetailError `profile_newer` or `profile_corrupt`. */
  decode(key: string, stored: Uint8Array): T;
}

/** How an older version of a kind looked, and what it means today. */
interface Older<T> {
  readonly field: Field<unknown>;
  upgrade(value: unknown): T;
}

const older = <O, T>(field: Field<O>, upgrade: (value: O) => T): Older<T> => ({
  field: field as Field<unknown>,
  upgrade: (value) => upgrade(value as O),
});

/** `olds` are the versions from 1 on that came before. */
function row<T>(field: Field<T>, ...olds: readonly Older<T>[]): Row<T> {
  const current = olds.length + 1;
  const versioned = [...olds.map((old) => old.field), field as Field<unknown>].map((value) =>
    struct({ version: uint(0x3f), value }),
  );
  const newest = versioned[olds.length] as (typeof versioned)[number];
  return {
    encode: (value) => encode(newest, { version: current, value }),
    decode(key, stored) {
      const version = stored[0] ?? 0;
      if (version > current) {
        throw new DovetailError("profile_newer", `The row ${key} was written by a newer relay.`);
      }
      try {
        const { value } = decode(versioned[version - 1] ?? newest, stored);
        const old = olds[version - 1];
        return old ? old.upgrade(value) : (value as T);
      } catch (error) {
        throw new DovetailError("profile_corrupt", `The row ${key} is damaged.`, { cause: error });
      }
    },
  };
}

const name = text(MAX_NAME_BYTES);
const kind = oneOf("direct", "group", "notes");

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
    struct({
      kind,
      epoch: uint(),
      restricted: bool,
      members: list(struct({ userId, admin: bool }), MAX_MEMBERS),
    }),
    older(struct({ kind, members: list(userId, MAX_MEMBERS) }), ({ kind, members }) => ({
      kind,
      epoch: 0,
      restricted: false,
      members: members.map((userId) => ({ userId, admin: false })),
    })),
  ),
  conversationId: row(conversationId),
  digest: row(fixed(HASH_BYTES)),
  cursor: row(
    struct({
      deliveredUpTo: uint(),
      readUpTo: uint(),
      devices: list(struct({ deviceId, deliveredUpTo: uint() }), MAX_CURSOR_DEVICES),
    }),
    older(struct({ deliveredUpTo: uint(), readUpTo: uint() }), (cursor) => ({
      ...cursor,
      devices: [],
    })),
  ),
  entry: row(
    struct({
      userId,
      deviceId,
      n: uint(),
      at: uint(),
      ttl: uint(),
      rights,
      membership: optional(membership),
      payload: bytes(MAX_PAYLOAD_BYTES),
    }),
    older(
      struct({ userId, deviceId, n: uint(), at: uint(), payload: bytes(MAX_PAYLOAD_BYTES) }),
      (entry) => ({ ...entry, ttl: 0, rights: "change" as const, membership: null }),
    ),
  ),
  /** By which one registers. */
  code: row(struct({ uses: optional(uint()), createdAt: uint(), revoked: bool })),
  /** `at` where the entry itself is no longer kept. */
  origin: row(
    struct({ seq: uint(), at: optional(uint()) }),
    older(uint(), (seq) => ({ seq, at: null })),
  ),
  /** Whom a change of a log has to be told, and whether they are members of the group from now on. */
  pending: row(
    struct({
      version: uint(),
      users: list(struct({ userId, member: optional(bool) }), MAX_MEMBERS * 2),
    }),
  ),
  spans: row(list(struct({ from: uint(), to: optional(uint()) }), MAX_SPANS)),
  invite: row(
    struct({
      conversationId,
      code: text(64),
      createdBy: userId,
      createdAt: uint(),
      expiresAt: optional(uint()),
      maxUses: optional(uint()),
      uses: uint(),
      preview: bytes(MAX_PREVIEW_BYTES),
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
  codesNeeded: "meta/codes",
  user: (id: UserId) => `user/${id}`,
  handle: (handle: string) => `handle/${handle}`,
  device: (id: DeviceId) => `device/${id}`,
  code: (code: string) => `code/${code}`,
  inviteUses: (code: string) => `invite/${code}`,
  /** A user's devices, also the removed ones. */
  devicesOf: (user: UserId) => `devices/${user}/`,
  deviceOf: (user: UserId, id: DeviceId) => `devices/${user}/${id}`,
  lastSeen: (id: UserId | DeviceId) => `seen/${id}`,
  conversation: (id: ConversationId) => `conversation/${id}`,
  head: (id: ConversationId) => `head/${id}`,
  pendings: "pending/",
  /** Whom the last change of a log has to be told, where logs and inboxes stand apart. */
  pending: (id: ConversationId) => `pending/${id}`,
  /** Absent: the log is kept from 1 on. */
  first: (id: ConversationId) => `first/${id}`,
  lastN: (id: ConversationId, device: DeviceId) => `last/${id}/${device}`,
  entry: (id: ConversationId, seq: number) => `entry/${id}/${sortable(seq)}`,
  /** One row per block of the log of which somebody has asked. */
  digest: (id: ConversationId, block: number) => `digest/${id}/${sortable(block)}`,
  origin: (id: ConversationId, device: DeviceId, n: number) =>
    `origin/${id}/${device}/${sortable(n)}`,
  cursors: (id: ConversationId) => `cursor/${id}/`,
  cursor: (id: ConversationId, user: UserId) => `cursor/${id}/${user}`,
  allSpans: (id: ConversationId) => `span/${id}/`,
  spans: (id: ConversationId, user: UserId) => `span/${id}/${user}`,
  groupsOf: (user: UserId) => `group-of/${user}/`,
  groupOf: (user: UserId, id: ConversationId) => `group-of/${user}/${id}`,
  /** One row per entry with a lifetime, at the milliseconds since 1970 when it ends. */
  expiry: (dueAt: number, id: ConversationId, seq: number) =>
    `expiry/${sortable(dueAt)}/${id}/${sortable(seq)}`,
  invite: (code: string) => `link/${code}`,
  /** Of which conversation the invite link is, where logs stand apart. */
  inviteAt: (code: string) => `link-at/${code}`,
  invitesOf: (id: ConversationId) => `link-of/${id}/`,
  inviteOf: (id: ConversationId, code: string) => `link-of/${id}/${code}`,
  blocks: (user: UserId) => `block/${user}/`,
  block: (user: UserId, other: UserId) => `block/${user}/${other}`,
  /** The newest stamp of what all members of a large group find by the group itself. */
  crowdAt: (id: ConversationId) => `crowd-at/${id}`,
  crowdsOf: (user: UserId) => `crowd-of/${user}/`,
  crowdOf: (user: UserId, id: ConversationId) => `crowd-of/${user}/${id}`,
  /** One row per user and conversation, at the stamp of its newest change. */
  inbox: (user: UserId, stamp: number) => `inbox/${user}/${sortable(stamp)}`,
  inboxAt: (user: UserId, id: ConversationId) => `inbox-at/${user}/${id}`,
};

/** A damaged row must not keep the payloads of all others from being deleted. */
export function nullIfDamaged(error: unknown): null {
  if (DovetailError.from(error).code === "profile_corrupt") return null;
  throw error;
}
