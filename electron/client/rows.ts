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
import type { ConversationId, MessageId, Origin, UserId } from "../../shared/ids.js";
import { fromSortable, sortable } from "../../shared/key-value.js";
import {
  MAX_ADDRESS_BYTES,
  MAX_DESCRIPTION_BYTES,
  MAX_EMOJI_BYTES,
  MAX_HOLDERS,
  MAX_MEMBERS,
  MAX_NAME_BYTES,
  MAX_PAYLOAD_BYTES,
  MAX_PICTURE_BYTES,
  MAX_RELAY_ADDRESSES,
  MAX_TEXT_BYTES,
} from "../../shared/limits.js";
import { membership, RUN_BYTES, rights, SIGNATURE_BYTES } from "../../shared/protocol.js";
import { PROFILE_PARTS } from "./content.js";
import { MAX_COUNTER } from "./hlc.js";

/** Raised by one when a row changes its form; a database says which it has. */
export const SCHEMA_VERSION = 2;

const name = text(MAX_NAME_BYTES);
const seq = uint();
/** Orders all writings to one thing: see `writingOf` in marks.ts. */
const writing = text(64);

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
export const skewRow = row("clock", struct({ behind: uint(), ahead: uint() }));
export const draftRow = row("draft", struct({ writing, text: text(MAX_TEXT_BYTES) }));
export type DraftRow = ReturnType<typeof draftRow.decode>;
export const emptyRow = row("index", bytes(0));
/** The relay's run that the device was last connected to, if it ever was. */
export const endedRow = row("end", optional(fixed(RUN_BYTES)));
export const originRow = row("index", seq);
/** Where the relay is found, besides the address that the host gives. */
export const addressesRow = row(
  "addresses of the relay",
  list(text(MAX_ADDRESS_BYTES), MAX_RELAY_ADDRESSES),
);
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

const member = struct({ userId, deliveredUpTo: seq, readUpTo: seq, admin: bool });
/** A member as the relay last told; the own row is what the relay knows of this user. */
export type MemberRow = Infer<typeof member>;
/** Apart from the conversation, whose row is written with every entry: a group has a thousand. */
export const membersRow = row("list of members", list(member, MAX_MEMBERS));

const conversation = {
  conversationId,
  kind: oneOf("direct", "group", "notes"),
  /** The last seq that the relay is known to have given. */
  head: seq,
  /**
   * All entries up to this seq are stored here, or are not to be had. Also how far delivery to this
   * device has come.
   */
  upTo: seq,
  /** The own read cursor, which may be ahead of what the relay knows. */
  readUpTo: seq,
  /** The n of this device's next entry. */
  nextN: uint(),
  /** Messages of others after the read cursor, counted up to {@link MAX_UNREAD}. */
  unread: uint(),
  /** Whether one of them names the own user. */
  mentioned: bool,
  /** When something last happened here, in milliseconds since 1970; orders the list. */
  activity: uint(),
  /** How often a group's members have changed, as far as `members` knows. */
  epoch: uint(),
  restricted: bool,
  /** Changes of messages that are not here yet: see {@link keys.orphans}. */
  orphans: uint(),
  /** Whether this user has written here or accepted to be written to. */
  accepted: bool,
};
const storedConversation = struct(conversation);
export const conversationRow = row("list of conversations", storedConversation);
export type ConversationRow = Infer<typeof storedConversation> & {
  readonly members: readonly MemberRow[];
};

/** What a group is called. */
const profile = struct({
  writing,
  name,
  description: text(MAX_DESCRIPTION_BYTES),
  picture: text(8 + Math.ceil(MAX_PICTURE_BYTES / 3) * 4 + 24),
});
export const profileRow = row("groups", profile);
export type ProfileRow = Infer<typeof profile>;

const timer = struct({ writing, seconds: uint() });
export const timerRow = row("timers", timer);
export type TimerRow = Infer<typeof timer>;

/**
 * What those who came to a group have wrongly, because it was changed after the entry that let them in was
 * written, or the link made by which they came: the part of the profile that differs first, and whether
 * the timer does; and whether some of them were let in by this device.
 */
const news = struct({ profile: optional(oneOf(...PROFILE_PARTS)), timer: bool, own: bool });
export const newsRow = row("groups", news);
export type NewsRow = Infer<typeof news>;

/** Messages pinned at once, with those that were unpinned and could be told of late. */
export const MAX_PINS = 200;
const pin = struct({ deviceId, n: uint(), writing, on: bool });
export const pinsRow = row("pinned messages", list(pin, MAX_PINS));
export type PinRow = Infer<typeof pin>;

const flag = struct({ writing, value: uint() });
export const flagRow = row("marks of conversations", flag);
export type FlagRow = Infer<typeof flag>;

/** Of a message, for this user only. */
const star = struct({ writing, on: bool });
export const starRow = row("starred messages", star);
export type StarRow = Infer<typeof star>;

/** A person is blocked from and to these times, in milliseconds since 1970 by the relay's clock. */
const block = struct({ writing, since: uint(), until: optional(uint()) });
export const blocksRow = row("blocked people", list(block, 1_000));
export type BlockRow = Infer<typeof block>;

export const MAX_UNREAD = 1000;

/** What a recipient is known to have done beyond what its cursor says: learned directly. */
const floor = oneOf("none", "delivered", "read");
export type Floor = Infer<typeof floor>;

/** What later entries made of a message. */
const marks = struct({
  edit: optional(struct({ writing, text: text(MAX_TEXT_BYTES) })),
  deleted: bool,
  /** With an empty emoji where it was taken back. In the order of the users' first reactions. */
  reactions: list(struct({ userId, writing, emoji: text(MAX_EMOJI_BYTES) }), MAX_MEMBERS),
});
export type Marks = Infer<typeof marks>;

const logEntry = struct({
  userId,
  deviceId,
  n: uint(),
  at: uint(),
  ttl: uint(),
  direct: bool,
  floor,
  marks: optional(marks),
  rights,
  membership: optional(membership),
  /** Empty where its time was up. */
  payload: bytes(MAX_PAYLOAD_BYTES),
});
/** An entry that has its place in the log. */
export const logRow = row("history", logEntry);
export type LogRow = Infer<typeof logEntry>;

const tailEntry = struct({
  userId,
  deviceId,
  n: uint(),
  ttl: uint(),
  /** Given by the relay while entries before it are still missing here; 0 for none. */
  seq,
  /** When it was stored here. */
  at: uint(),
  direct: bool,
  /** Of an own entry, by direct receipts. */
  floor,
  /** Of another's entry: whether this user has read it. Of an orphan: whether an admin wrote it. */
  read: bool,
  /** Of another's entry: its device's, so that this device can hand it in. */
  signature: optional(fixed(SIGNATURE_BYTES)),
  /** Of an own entry: the devices that told directly that they have stored it. */
  heldBy: list(struct({ userId, deviceId }), MAX_HOLDERS),
  marks: optional(marks),
  payload: bytes(MAX_PAYLOAD_BYTES),
});
/** An entry whose place in the log is not known, or cannot be shown yet. */
export const tailRow = row("unsent messages", tailEntry);
export type TailRow = Infer<typeof tailEntry>;

export const keys = {
  schema: "schema",
  account: "account",
  addresses: "addresses",
  settings: "settings",
  stamp: "stamp",
  clock: "clock",
  /** The relay's clock less this device's, in milliseconds, and which is ahead. */
  skew: "skew",
  /** Holds nothing: writing it durably carries what was written before it. */
  flushed: "flushed",
  /** Holds nothing: there from a clean end to the next start. */
  ended: "ended",
  people: "person/",
  person: (user: UserId) => `person/${user}`,
  conversations: "about/",
  conversation: (id: ConversationId) => `about/${id}`,
  members: "members/",
  membersOf: (id: ConversationId) => `members/${id}`,
  profiles: "profile/",
  profile: (id: ConversationId) => `profile/${id}`,
  timers: "timer/",
  timer: (id: ConversationId) => `timer/${id}`,
  untold: "news/",
  news: (id: ConversationId) => `news/${id}`,
  pins: "pins/",
  pinsOf: (id: ConversationId) => `pins/${id}`,
  flags: "flag/",
  flag: (id: ConversationId, name: string) => `flag/${id}/${name}`,
  stars: "star/",
  star: (id: MessageId) => `star/${id}`,
  hiddens: "hidden/",
  hidden: (id: MessageId) => `hidden/${id}`,
  blocks: "block/",
  block: (user: UserId) => `block/${user}`,
  drafts: "draft/",
  draft: (id: ConversationId) => `draft/${id}`,
  /** Entries of the log that are shown. */
  shown: (id: ConversationId, at: number) => `shown/${id}/${sortable(at)}`,
  /** All other entries of the log: what changes messages, and what is gone. */
  quiet: (id: ConversationId, at: number) => `quiet/${id}/${sortable(at)}`,
  origin: (id: ConversationId, { deviceId: device, n }: Origin) => `origin/${id}/${device}/${n}`,
  tails: "pending/",
  tail: (id: ConversationId, { deviceId: device, n }: Origin) =>
    `pending/${id}/${device}/${sortable(n)}`,
  /** Changes of a message that is not here yet. */
  orphans: (id: ConversationId, { deviceId: device, n }: Origin) => `orphan/${id}/${device}/${n}/`,
  /** When entries disappear, by the relay's clock. */
  expiries: "expiry/",
  expiry: (at: number, id: ConversationId, seqOf: number) =>
    `expiry/${sortable(at)}/${id}/${sortable(seqOf)}`,
} as const;

/** The seq that a key of the log names: a row says where it stands by its key alone. */
export const seqOfKey = (key: string): number => fromSortable(key.slice(key.lastIndexOf("/") + 1));
