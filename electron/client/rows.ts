/** The rows of a profile's database: their keys and codecs. */
import {
  bool,
  bytes,
  conversationId,
  decode,
  deviceId,
  encode,
  type Field,
  fixed,
  type Infer,
  list,
  oneOf,
  optional,
  struct,
  text,
  uint,
  userId,
} from "../../shared/codec.js";
import { DovetailError } from "../../shared/errors.js";
import type { ConversationId, Origin, UserId } from "../../shared/ids.js";
import { fromSortable, sortable } from "../../shared/key-value.js";
import {
  MAX_HOLDERS,
  MAX_MEMBERS,
  MAX_NAME_BYTES,
  MAX_PAYLOAD_BYTES,
  MAX_TEXT_BYTES,
} from "../../shared/limits.js";
import { SIGNATURE_BYTES } from "../../shared/protocol.js";
import { MAX_COUNTER } from "./hlc.js";

/** Raised by one when a row changes its form; a database says which it has. */
export const SCHEMA_VERSION = 1;

const name = text(MAX_NAME_BYTES);
const seq = uint();

export interface Row<T> {
  encode(value: T): Uint8Array;
  /** @throws DovetailError `profile_corrupt`. */
  decode(stored: Uint8Array): T;
}

function row<T>(what: string, field: Field<T>): Row<T> {
  return {
    encode: (value) => encode(field, value),
    decode(stored) {
      try {
        return decode(field, stored);
      } catch (cause) {
        throw new DovetailError("profile_corrupt", `The profile's ${what} cannot be read.`, {
          cause,
        });
      }
    },
  };
}

export const schemaRow = row("version", uint());
export const stampRow = row("inbox position", uint());
/** The last reading that this device's hybrid clock gave. */
export const clockRow = row("clock", struct({ wall: uint(), counter: uint(MAX_COUNTER) }));
export const draftRow = row("draft", text(MAX_TEXT_BYTES));
export const originRow = row("index", seq);
export const personRow = row("list of people", struct({ handle: text(64), displayName: name }));

export const accountRow = row(
  "account",
  struct({ userId, deviceId, handle: text(64), displayName: name, relay: text(256) }),
);
export type AccountRow = ReturnType<typeof accountRow.decode>;

export const settingsRow = row(
  "settings",
  struct({ directEnabled: bool, notifications: bool, theme: oneOf("system", "light", "dark") }),
);

const cursors = struct({ userId, deliveredUpTo: seq, readUpTo: seq });
/** A member as the relay last told; the own row is what the relay knows of this user. */
export type MemberRow = Infer<typeof cursors>;

const conversation = struct({
  conversationId,
  kind: oneOf("direct", "group", "notes"),
  members: list(cursors, MAX_MEMBERS),
  /** The last seq that the relay is known to have given. */
  head: seq,
  /** All entries up to this seq are stored here. Also how far delivery to this device has come. */
  upTo: seq,
  /** The own read cursor, which may be ahead of what the relay knows. */
  readUpTo: seq,
  /** The n of this device's next entry. */
  nextN: uint(),
  /** Entries of others after the read cursor, counted up to {@link MAX_UNREAD}. */
  unread: uint(),
  /** When something last happened here, in milliseconds since 1970; orders the list. */
  activity: uint(),
});
export const conversationRow = row("list of conversations", conversation);
export type ConversationRow = Infer<typeof conversation>;

export const MAX_UNREAD = 1000;

/** What a recipient is known to have done beyond what its cursor says: learned directly. */
const floor = oneOf("none", "delivered", "read");
export type Floor = Infer<typeof floor>;

const logEntry = struct({
  userId,
  deviceId,
  n: uint(),
  at: uint(),
  direct: bool,
  floor,
  payload: bytes(MAX_PAYLOAD_BYTES),
});
/** An entry that has its place in the log. */
export const logRow = row("history", logEntry);
export type LogRow = Infer<typeof logEntry>;

const tailEntry = struct({
  userId,
  deviceId,
  n: uint(),
  /** Given by the relay while entries before it are still missing here; 0 for none. */
  seq,
  /** When it was stored here. */
  at: uint(),
  direct: bool,
  /** Of an own entry, by direct receipts. */
  floor,
  /** Of another's entry: whether this user has read it. */
  read: bool,
  /** Of another's entry: its device's, so that this device can hand it in. */
  signature: optional(fixed(SIGNATURE_BYTES)),
  /** Of an own entry: the devices that told directly that they have stored it. */
  heldBy: list(struct({ userId, deviceId }), MAX_HOLDERS),
  payload: bytes(MAX_PAYLOAD_BYTES),
});
/** An entry whose place in the log is not known, or cannot be shown yet. */
export const tailRow = row("unsent messages", tailEntry);
export type TailRow = Infer<typeof tailEntry>;

export const keys = {
  schema: "schema",
  account: "account",
  settings: "settings",
  stamp: "stamp",
  clock: "clock",
  /** Holds nothing: writing it durably carries what was written before it. */
  flushed: "flushed",
  people: "person/",
  person: (user: UserId) => `person/${user}`,
  conversations: "conversation/",
  conversation: (id: ConversationId) => `conversation/${id}`,
  drafts: "draft/",
  draft: (id: ConversationId) => `draft/${id}`,
  log: (id: ConversationId, at: number) => `log/${id}/${sortable(at)}`,
  origin: (id: ConversationId, { deviceId: device, n }: Origin) => `origin/${id}/${device}/${n}`,
  tails: "tail/",
  tail: (id: ConversationId, { deviceId: device, n }: Origin) =>
    `tail/${id}/${device}/${sortable(n)}`,
} as const;

/** The seq that a key of the log names: a row says where it stands by its key alone. */
export const seqOfKey = (key: string): number => fromSortable(key.slice(key.lastIndexOf("/") + 1));
