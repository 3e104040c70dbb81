/**
 * The wire protocol: every frame that a client and a relay exchange. It travels in binary WebSocket
 * messages (RFC 6455), one frame a message. It is the only thing clients and relays share knowledge of.
 *
 * Order of a connection: `hello` → `challenge` → `register` or `authenticate` → `welcome`, then
 * anything. A frame that carries a `requestId` is answered by exactly one frame with the same
 * `requestId`: the one named in its comment, or `error`.
 */
import { concat, fromHex, utf8 } from "./bytes.js";
import {
  bool,
  bytes,
  conversationId,
  deviceId,
  encode,
  fixed,
  frameFamily,
  type Infer,
  list,
  oneOf,
  optional,
  struct,
  text,
  uint,
  userId,
} from "./codec.js";
import { type ErrorCode, errorCodes } from "./errors.js";
import { type ConversationId, type DeviceId, ID_BYTES, type UserId } from "./ids.js";
import {
  MAX_ADDRESS_BYTES,
  MAX_CHANGES,
  MAX_DEVICES,
  MAX_DIGEST_PIECES,
  MAX_ENTRIES,
  MAX_HOLDERS,
  MAX_ICE_SERVERS,
  MAX_INVITES,
  MAX_MEMBERS,
  MAX_NAME_BYTES,
  MAX_PAYLOAD_BYTES,
  MAX_PREVIEW_BYTES,
  MAX_RELAY_ADDRESSES,
  MAX_SEARCH_RESULTS,
  MAX_SIGNAL_BYTES,
  MAX_WATCHED_USERS,
} from "./limits.js";

/** Raised by one whenever a frame changes; a relay may speak several. */
export const PROTOCOL_VERSION = 2;

export const PUBLIC_KEY_BYTES = 32;
export const SIGNATURE_BYTES = 64;
export const RUN_BYTES = 8;
export const NONCE_BYTES = 32;
/** SHA-256. */
export const HASH_BYTES = 32;

const requestId = uint(0xffff_ffff);
/** A place in a log; 0 is before the first. */
const seq = uint();
/** A place in a user's inbox: grows with every change that concerns the user. */
const stamp = uint();
const milliseconds = uint();
/** Seconds from when the relay has an entry until it deletes its payload; 0 for never. */
const ttl = uint(0xffff_ffff);
/** Counts the changes of a group's members. */
const epoch = uint();
const code = text(64);
const name = text(MAX_NAME_BYTES);
const handle = text(64);

const person = struct({ userId, handle, displayName: name });
export type Person = Infer<typeof person>;

const member = struct({
  userId,
  handle,
  displayName: name,
  deliveredUpTo: seq,
  readUpTo: seq,
  /** Of a group; false elsewhere. */
  admin: bool,
});
export type Member = Infer<typeof member>;

const conversation = struct({
  conversationId,
  kind: oneOf("direct", "group", "notes"),
  /** The seq of the last entry that the receiver may have; 0 where there is none. */
  head: seq,
  /** How often the members of a group have changed; 0 elsewhere. */
  epoch,
  /** Whether only admins may add people and change what the group is called. */
  restricted: bool,
  /** Without the receiver where it was removed from the group or has left it. */
  members: list(member, MAX_MEMBERS),
});
export type ConversationState = Infer<typeof conversation>;

/** What a change of members may be, as a client asks for it. */
const membershipChange = struct({
  adds: list(userId, MAX_MEMBERS),
  removes: list(userId, MAX_MEMBERS),
  promotes: list(userId, MAX_MEMBERS),
  demotes: list(userId, MAX_MEMBERS),
  restricted: optional(bool),
});
export type MembershipChange = Infer<typeof membershipChange>;

/** A change of members as it stands in the log. */
export const membership = struct({
  /** The group's epoch from this entry on. */
  epoch,
  adds: list(person, MAX_MEMBERS),
  removes: list(userId, MAX_MEMBERS),
  promotes: list(userId, MAX_MEMBERS),
  demotes: list(userId, MAX_MEMBERS),
  restricted: optional(bool),
});
export type Membership = Infer<typeof membership>;

/**
 * What the author of an entry might do in the group when the relay took it: write; also change what
 * the group is called and its timer; also delete what others wrote. Elsewhere it is `change`. Members
 * learn of changes of members at different times, and must not judge by what each of them knows.
 */
export const rights = oneOf("write", "change", "moderate");
export type Rights = Infer<typeof rights>;

export const sequencedEntry = struct({
  seq,
  userId,
  deviceId,
  n: uint(),
  /** When the relay gave the seq. */
  at: milliseconds,
  ttl,
  rights,
  membership: optional(membership),
  /** Empty where it has been deleted: its time was up. */
  payload: bytes(MAX_PAYLOAD_BYTES),
});
export type SequencedEntry = Infer<typeof sequencedEntry>;

const handedIn = struct({
  deviceId,
  n: uint(),
  ttl,
  /** By the origin device over {@link entryBytes}; null when that is the one that hands in. */
  signature: optional(fixed(SIGNATURE_BYTES)),
  payload: bytes(MAX_PAYLOAD_BYTES),
});
export type HandedIn = Infer<typeof handedIn>;

/** What became of an entry whose payload the receiver has already. */
const placement = struct({ seq, deviceId, n: uint(), at: milliseconds, rights });

const invite = struct({
  code,
  createdBy: userId,
  createdAt: milliseconds,
  /** Null for never. */
  expiresAt: optional(milliseconds),
  /** Null for as often as one likes. */
  maxUses: optional(uint()),
  uses: uint(),
});
export type Invite = Infer<typeof invite>;

const presence = struct({
  userId,
  /** The user's connected devices; none means offline. */
  devices: list(deviceId, MAX_DEVICES),
  /** When the last device left; 0 where the relay has never seen one, or while one is connected. */
  lastSeen: milliseconds,
});
export type Presence = Infer<typeof presence>;

const device = struct({
  deviceId,
  name,
  addedAt: milliseconds,
  /** When it left; 0 while connected or where that is not known. */
  lastSeen: milliseconds,
  connected: bool,
});

/** Where the person is, as far as one of the devices can tell. */
const attention = struct({
  deviceId,
  /** When it connected. */
  since: milliseconds,
  /** The conversation that the person has in front; null for none. */
  conversationId: optional(conversationId),
  /** When the person last used it; null where it alerts to nothing or has not told. */
  usedAt: optional(milliseconds),
});
export type Attention = Infer<typeof attention>;

const iceServer = struct({
  urls: list(text(512), 8),
  username: optional(text(512)),
  credential: optional(text(512)),
});
export type IceServer = Infer<typeof iceServer>;

const codeWords = Object.keys(errorCodes) as ErrorCode[];

/** What a client sends. */
export const clientFrames = frameFamily({
  hello: [1, { version: uint(0xffff), client: name }],
  /** Makes a user with this device as the first. Signs {@link registrationBytes}. */
  register: [
    2,
    {
      handle,
      displayName: name,
      deviceName: name,
      publicKey: fixed(PUBLIC_KEY_BYTES),
      invite: optional(text(128)),
      signature: fixed(SIGNATURE_BYTES),
    },
  ],
  /** Signs {@link authenticationBytes}. */
  authenticate: [3, { deviceId, signature: fixed(SIGNATURE_BYTES) }],
  /**
   * Asks to become a device of whoever made the code. Signs {@link linkBytes}. Answer: `welcome` once
   * a device of the account has added it, which a person may take minutes for.
   */
  link: [
    4,
    {
      /** {@link pairingPlace} of the code. */
      place: fixed(ID_BYTES),
      /** {@link pairingProof} of the code. */
      proof: fixed(HASH_BYTES),
      deviceName: name,
      publicKey: fixed(PUBLIC_KEY_BYTES),
      signature: fixed(SIGNATURE_BYTES),
    },
  ],

  /** Answered by `pong`; either side may ask at any time after `welcome`. */
  ping: [10, { nonce: uint(0xffff_ffff) }],
  pong: [11, { nonce: uint(0xffff_ffff) }],

  /** Handles that start with the prefix, in alphabetical order. Answer: `people`. */
  searchUsers: [20, { requestId, prefix: handle, limit: uint(MAX_SEARCH_RESULTS) }],
  /** The direct conversation with that user, made if it is not there. Answer: `opened`. */
  openConversation: [21, { requestId, userId }],
  /** One conversation as it is now. Answer: `opened`. */
  getConversation: [22, { requestId, conversationId }],
  /**
   * Hands in entries, in the order in which they shall stand: own ones, and others' that came here
   * directly. Each device's follow its last in the log without a hole. Entries that the log has
   * already are answered with the seq they have. Answer: `appended`, once all are durable.
   */
  append: [
    23,
    {
      requestId,
      conversationId,
      entries: list(handedIn, MAX_ENTRIES),
      /** Devices that have all the payloads already: they are told the places only. */
      heldBy: list(deviceId, MAX_HOLDERS),
    },
  ],
  /**
   * Entries with `fromSeq` ≤ seq that the user may have, in order and without a hole between them, as
   * many as `limit` and a page allow. Answer: `page`.
   */
  getEntries: [24, { requestId, conversationId, fromSeq: seq, limit: uint(MAX_ENTRIES) }],
  /** Moves the own user's cursors; a cursor never runs back. Answer: `done`, once durable. */
  moveCursors: [25, { requestId, conversationId, deliveredUpTo: seq, readUpTo: seq }],
  /** What changed for the own user after that stamp, oldest first. Answer: `changes`. */
  getChanges: [26, { requestId, after: stamp, limit: uint(MAX_CHANGES) }],

  /** Replaces the set of users whose presence this connection follows. Answer: `presences`. */
  watchPresence: [30, { requestId, userIds: list(userId, MAX_WATCHED_USERS) }],
  /** Presence of users, once. Answer: `presences`. */
  getPresence: [31, { requestId, userIds: list(userId, MAX_WATCHED_USERS) }],
  /** Lets a device ask at that place for some minutes; one place a connection. Answer: `done`. */
  openPairing: [40, { requestId, place: fixed(ID_BYTES) }],
  /** Answer: `done`. */
  closePairing: [41, { requestId }],
  /** Makes the device that asked at the open place one of the account. Signs {@link deviceBytes}. Answer: `done`. */
  addDevice: [
    42,
    { requestId, publicKey: fixed(PUBLIC_KEY_BYTES), signature: fixed(SIGNATURE_BYTES) },
  ],
  /** Takes one out of the account for ever. Answer: `done`. */
  removeDevice: [43, { requestId, deviceId }],
  /** Answer: `devices`. */
  getDevices: [44, { requestId }],

  /**
   * Makes a group of the own user, who becomes its admin, and others; its first entry says so. The id
   * is the client's choice, so that asking again makes no second one. Answer: `opened`.
   */
  createGroup: [
    50,
    {
      requestId,
      conversationId,
      memberIds: list(userId, MAX_MEMBERS),
      payload: bytes(MAX_PAYLOAD_BYTES),
    },
  ],
  /**
   * Changes a group's members by an entry whose n is {@link membershipN} of the new epoch. Refused with
   * `stale_epoch` when `epoch` is not the group's. Answer: `appended`.
   */
  changeMembership: [
    51,
    {
      requestId,
      conversationId,
      /** The one that the change builds on. */
      epoch,
      change: membershipChange,
      payload: bytes(MAX_PAYLOAD_BYTES),
    },
  ],
  /** Makes an invite link, or changes nothing where the code is there already. Answer: `done`. */
  createInvite: [
    52,
    {
      requestId,
      conversationId,
      code,
      expiresAt: optional(milliseconds),
      maxUses: optional(uint()),
      /** Shown to whoever has the link. Opaque to the relay. */
      preview: bytes(MAX_PREVIEW_BYTES),
    },
  ],
  /** Answer: `invites`. */
  getInvites: [53, { requestId, conversationId }],
  /** Answer: `done`. */
  revokeInvite: [54, { requestId, conversationId, code }],
  /** Answer: `invitation`. */
  getInvitation: [55, { requestId, code }],
  /** Joins the group of an invite link. Answer: `opened`. */
  join: [56, { requestId, code, payload: bytes(MAX_PAYLOAD_BYTES) }],
  /**
   * A user who is blocked sees the blocking one as offline and never seen, and cannot signal to its
   * devices. Answer: `done`, once durable.
   */
  block: [57, { requestId, userId, blocked: bool }],
  /**
   * Asks whether the relay's copy of a part of the log is the same; `digest` is `digestOfStretch` of the
   * client's. Answer: `compared`.
   */
  compareLog: [
    58,
    { requestId, conversationId, fromSeq: seq, toSeq: seq, digest: fixed(HASH_BYTES) },
  ],

  /** No answer: worth nothing a moment later. */
  typing: [32, { conversationId, active: bool }],
  /** To one device of someone with whom one shares a conversation. Answer: `done`. */
  signal: [33, { requestId, deviceId, payload: bytes(MAX_SIGNAL_BYTES) }],
  /** Where the person is on this device, for the other devices of the account. No answer. */
  attention: [
    60,
    {
      /** The conversation that the person has in front; null for none. */
      conversationId: optional(conversationId),
      /** Milliseconds since the person last used it; null where it alerts to nothing. */
      usedAgo: optional(milliseconds),
    },
  ],
});
export type ClientFrame = ReturnType<typeof clientFrames.decode>;

/** ws: or wss: URLs under which this relay is found as well. */
const addresses = list(text(MAX_ADDRESS_BYTES), MAX_RELAY_ADDRESSES);

/** What a relay sends. */
export const relayFrames = frameFamily({
  /** `relay` is the name that the client must sign, so that a signature is of no use elsewhere. */
  challenge: [1, { version: uint(0xffff), relay: text(256), nonce: fixed(NONCE_BYTES) }],
  welcome: [
    2,
    {
      userId,
      deviceId,
      handle,
      displayName: name,
      now: milliseconds,
      /** The client is dropped when nothing came from it for twice this long. */
      heartbeatMs: milliseconds,
      iceServers: list(iceServer, MAX_ICE_SERVERS),
      addresses,
      /** Another one after each start of the relay, which may have been with the data of a backup. */
      run: fixed(RUN_BYTES),
    },
  ],
  /** `requestId` is null where no request can be named; the connection then closes. */
  error: [
    3,
    {
      requestId: optional(requestId),
      code: oneOf(...codeWords),
      message: text(1024),
      retryAfterMs: optional(milliseconds),
      /** With `out_of_order`. */
      expected: optional(uint()),
    },
  ],
  ping: [10, { nonce: uint(0xffff_ffff) }],
  pong: [11, { nonce: uint(0xffff_ffff) }],

  people: [20, { requestId, people: list(person, MAX_SEARCH_RESULTS) }],
  opened: [21, { requestId, conversation }],
  /** The place of each handed-in entry, in their order. */
  appended: [
    23,
    { requestId, places: list(struct({ seq, at: milliseconds, rights }), MAX_ENTRIES) },
  ],
  page: [
    24,
    {
      requestId,
      /** The last seq that the user may have. */
      head: seq,
      /**
       * The first seq from `fromSeq` on that the relay has and the user may have; `head + 1` where there
       * is none. Beyond `fromSeq` where the user was not a member, or what the relay keeps begins later.
       */
      first: seq,
      entries: list(sequencedEntry, MAX_ENTRIES),
    },
  ],
  done: [25, { requestId }],
  changes: [
    26,
    {
      requestId,
      conversations: list(conversation, MAX_CHANGES),
      /**
       * All changes up to this stamp are in this page or an earlier one. Less than what was asked for
       * when the relay has lost changes: it was restored from a backup.
       */
      upTo: stamp,
      more: bool,
    },
  ],
  devices: [27, { requestId, devices: list(device, MAX_DEVICES) }],
  invites: [28, { requestId, invites: list(invite, MAX_INVITES) }],
  invitation: [
    29,
    {
      requestId,
      conversationId,
      /** Whether the own user is a member already. */
      joined: bool,
      memberCount: uint(),
      preview: bytes(MAX_PREVIEW_BYTES),
    },
  ],
  presences: [30, { requestId, states: list(presence, MAX_WATCHED_USERS) }],
  /**
   * The first part of what was asked about that the relay has and the user may have, both ends in it,
   * and the digest of each of its pieces: see `piecesOf`. No pieces where the client's digest was of
   * that very part and is the same. `from` is beyond `to` where there is no such part.
   */
  compared: [
    31,
    { requestId, from: seq, to: seq, pieces: list(fixed(HASH_BYTES), MAX_DIGEST_PIECES) },
  ],

  // Unasked. Those with a stamp arrive in the order of their stamps.
  /** A conversation that is new to the user, or whose members changed. */
  conversation: [40, { stamp, conversation }],
  entries: [41, { stamp, conversationId, entries: list(sequencedEntry, MAX_ENTRIES) }],
  placed: [42, { stamp, conversationId, placements: list(placement, MAX_ENTRIES) }],
  cursors: [43, { stamp, conversationId, userId, deliveredUpTo: seq, readUpTo: seq }],
  presence: [44, { presence }],
  typing: [45, { conversationId, userId, active: bool }],
  /** A device asks at the place that this connection opened. */
  linking: [47, { proof: fixed(HASH_BYTES), deviceName: name, publicKey: fixed(PUBLIC_KEY_BYTES) }],
  /** The own devices changed. */
  devicesChanged: [48, {}],
  /** A device of somebody whose presence is watched was taken out of its account: have nothing to do with it. */
  deviceRemoved: [51, { userId, deviceId }],
  signal: [46, { userId, deviceId, payload: bytes(MAX_SIGNAL_BYTES) }],
  /**
   * Of all connected own devices, the receiver too, in the relay's time. One that has been alone since
   * it connected is not told.
   */
  attention: [50, { devices: list(attention, MAX_DEVICES) }],
  /** Instead of those that `welcome` told, before their credentials end. */
  servers: [58, { iceServers: list(iceServer, MAX_ICE_SERVERS), addresses }],
});
export type RelayFrame = ReturnType<typeof relayFrames.decode>;

/** WebSocket close codes (RFC 6455 §7.4; 4000 to 4999 are for private use). */
export const CloseCode = {
  /** The relay is stopping or restarting: connect again, with back-off. */
  restart: 1012,
  /** A frame was malformed, too large, or not allowed at this point. An `error` frame says which. */
  protocol: 4000,
  /** The handshake failed; the same one will fail again. */
  refused: 4001,
  /** Nothing came for too long. */
  silent: 4002,
  /** The client took too long to take what was sent. */
  slow: 4003,
  /** Too many requests or connections: connect again after a while. */
  limited: 4004,
  /** The same device connected again. */
  replaced: 4005,
} as const;

/** What `authenticate` signs. */
export const authenticationBytes = (
  relay: string,
  nonce: Uint8Array,
  device: DeviceId,
): Uint8Array =>
  concat(
    utf8("dovetail authenticate v1\0"),
    encode(struct({ relay: text(256), nonce: fixed(NONCE_BYTES), deviceId }), {
      relay,
      nonce,
      deviceId: device,
    }),
  );

/** What `register` signs. */
export const registrationBytes = (
  relay: string,
  nonce: Uint8Array,
  wanted: { handle: string; displayName: string; deviceName: string; publicKey: Uint8Array },
): Uint8Array =>
  concat(
    utf8("dovetail register v1\0"),
    encode(
      struct({
        relay: text(256),
        nonce: fixed(NONCE_BYTES),
        handle,
        displayName: name,
        deviceName: name,
        publicKey: fixed(PUBLIC_KEY_BYTES),
      }),
      { relay, nonce, ...wanted },
    ),
  );

/** What the origin device signs of an entry that it sends directly, so that others can hand it in. */
export const entryBytes = (
  conversation: ConversationId,
  device: DeviceId,
  entry: { readonly n: number; readonly ttl: number; readonly payload: Uint8Array },
): Uint8Array =>
  concat(
    utf8("dovetail entry v2\0"),
    fromHex(conversation),
    fromHex(device),
    encode(struct({ n: uint(), ttl, payload: bytes(MAX_PAYLOAD_BYTES) }), entry),
  );

/** What `link` signs. */
export const linkBytes = (
  relay: string,
  nonce: Uint8Array,
  asked: { place: Uint8Array; publicKey: Uint8Array; deviceName: string },
): Uint8Array =>
  concat(
    utf8("dovetail link v1\0"),
    encode(
      struct({
        relay: text(256),
        nonce: fixed(NONCE_BYTES),
        place: fixed(ID_BYTES),
        publicKey: fixed(PUBLIC_KEY_BYTES),
        deviceName: name,
      }),
      { relay, nonce, ...asked },
    ),
  );

/** What a device signs of a new device of the same account: kept, so that others can follow the chain. */
export const deviceBytes = (user: UserId, publicKey: Uint8Array, deviceName: string): Uint8Array =>
  concat(
    utf8("dovetail device v1\0"),
    encode(struct({ userId, publicKey: fixed(PUBLIC_KEY_BYTES), deviceName: name }), {
      userId: user,
      publicKey,
      deviceName,
    }),
  );
