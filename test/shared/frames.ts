/** Any frame that the protocol allows, for property tests. */
import fc from "fast-check";
import { utf8 } from "../../shared/bytes.js";
import { type ErrorCode, errorCodes } from "../../shared/errors.js";
import { ID_BYTES, idFromBytes } from "../../shared/ids.js";
import {
  HASH_BYTES,
  NONCE_BYTES,
  PUBLIC_KEY_BYTES,
  RUN_BYTES,
  SIGNATURE_BYTES,
} from "../../shared/protocol.js";

const exactly = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const payload = fc.uint8Array({ maxLength: 300 });
const some = <T>(item: fc.Arbitrary<T>) => fc.array(item, { maxLength: 5 });
const orNull = <T>(item: fc.Arbitrary<T>) => fc.option(item, { nil: null });
/** At most `maxLength` characters as people count them, and 64 bytes, which every text may have. */
const text = (maxLength: number) =>
  fc.string({ unit: "grapheme", maxLength }).filter((value) => utf8(value).length <= 64);

const requestId = fc.integer({ min: 0, max: 0xffff_ffff });
const nonce = requestId;
/** All four sizes of an integer on the wire, and the values where they meet. */
const whole = fc.oneof(
  fc.maxSafeNat(),
  fc.constantFrom(0, 0x3f, 0x40, 0x3fff, 0x4000, 0x3fff_ffff, 0x4000_0000, 2 ** 53 - 1),
);
const id = <T extends string>() => exactly(16).map((raw) => idFromBytes<never>(raw) as T);
const userId = id<never>();
const deviceId = id<never>();
const conversationId = id<never>();
const version = fc.integer({ min: 0, max: 0xffff });
const name = text(20);
const person = fc.record({ userId, handle: name, displayName: name });
const member = fc.record({
  userId,
  handle: name,
  displayName: name,
  deliveredUpTo: whole,
  readUpTo: whole,
  admin: fc.boolean(),
});
const conversation = fc.record({
  conversationId,
  kind: fc.constantFrom("direct" as const, "group" as const, "notes" as const),
  head: whole,
  epoch: whole,
  restricted: fc.boolean(),
  members: some(member),
});
const seconds = fc.integer({ min: 0, max: 0xffff_ffff });
const rights = fc.constantFrom("write" as const, "change" as const, "moderate" as const);
const membershipChange = {
  removes: some(userId),
  promotes: some(userId),
  demotes: some(userId),
  restricted: orNull(fc.boolean()),
};
const entry = fc.record({
  seq: whole,
  userId,
  deviceId,
  n: whole,
  at: whole,
  ttl: seconds,
  rights,
  membership: orNull(fc.record({ epoch: whole, adds: some(person), ...membershipChange })),
  payload,
});
const code = text(15);
const invite = fc.record({
  code,
  createdBy: userId,
  createdAt: whole,
  expiresAt: orNull(whole),
  maxUses: orNull(whole),
  uses: whole,
});
const placement = fc.record({ seq: whole, deviceId, n: whole, at: whole, rights });
const presence = fc.record({ userId, devices: some(deviceId), lastSeen: whole });
const iceServer = fc.record({
  urls: some(text(30)),
  username: orNull(text(10)),
  credential: orNull(text(10)),
});

const frame = <const T extends string, M extends object>(
  type: T,
  fields: { [K in keyof M]: fc.Arbitrary<M[K]> } = {} as never,
) => fc.record({ type: fc.constant(type), ...fields } as never) as fc.Arbitrary<{ type: T } & M>;

export const clientFrame = {
  hello: frame("hello", { version, client: name }),
  register: frame("register", {
    handle: name,
    displayName: name,
    deviceName: name,
    publicKey: exactly(PUBLIC_KEY_BYTES),
    invite: orNull(name),
    signature: exactly(SIGNATURE_BYTES),
  }),
  authenticate: frame("authenticate", { deviceId, signature: exactly(SIGNATURE_BYTES) }),
  ping: frame("ping", { nonce }),
  pong: frame("pong", { nonce }),
  searchUsers: frame("searchUsers", {
    requestId,
    prefix: name,
    limit: fc.integer({ min: 0, max: 50 }),
  }),
  openConversation: frame("openConversation", { requestId, userId }),
  getConversation: frame("getConversation", { requestId, conversationId }),
  append: frame("append", {
    requestId,
    conversationId,
    entries: some(
      fc.record({
        deviceId,
        n: whole,
        ttl: seconds,
        signature: orNull(exactly(SIGNATURE_BYTES)),
        payload,
      }),
    ),
    heldBy: some(deviceId),
  }),
  getEntries: frame("getEntries", {
    requestId,
    conversationId,
    fromSeq: whole,
    limit: fc.integer({ min: 0, max: 200 }),
  }),
  moveCursors: frame("moveCursors", {
    requestId,
    conversationId,
    deliveredUpTo: whole,
    readUpTo: whole,
  }),
  getChanges: frame("getChanges", {
    requestId,
    after: whole,
    limit: fc.integer({ min: 0, max: 100 }),
  }),
  watchPresence: frame("watchPresence", { requestId, userIds: some(userId) }),
  getPresence: frame("getPresence", { requestId, userIds: some(userId) }),
  typing: frame("typing", { conversationId, active: fc.boolean() }),
  signal: frame("signal", { requestId, deviceId, payload }),
  attention: frame("attention", {
    conversationId: orNull(conversationId),
    usedAgo: orNull(whole),
  }),
  link: frame("link", {
    place: exactly(ID_BYTES),
    proof: exactly(HASH_BYTES),
    deviceName: name,
    publicKey: exactly(PUBLIC_KEY_BYTES),
    signature: exactly(SIGNATURE_BYTES),
  }),
  openPairing: frame("openPairing", { requestId, place: exactly(ID_BYTES) }),
  closePairing: frame("closePairing", { requestId }),
  addDevice: frame("addDevice", {
    requestId,
    publicKey: exactly(PUBLIC_KEY_BYTES),
    signature: exactly(SIGNATURE_BYTES),
  }),
  removeDevice: frame("removeDevice", { requestId, deviceId }),
  getDevices: frame("getDevices", { requestId }),
  createGroup: frame("createGroup", {
    requestId,
    conversationId,
    memberIds: some(userId),
    payload,
  }),
  changeMembership: frame("changeMembership", {
    requestId,
    conversationId,
    epoch: whole,
    change: fc.record({ adds: some(userId), ...membershipChange }),
    payload,
  }),
  createInvite: frame("createInvite", {
    requestId,
    conversationId,
    code,
    expiresAt: orNull(whole),
    maxUses: orNull(whole),
    preview: payload,
  }),
  getInvites: frame("getInvites", { requestId, conversationId }),
  revokeInvite: frame("revokeInvite", { requestId, conversationId, code }),
  getInvitation: frame("getInvitation", { requestId, code }),
  join: frame("join", { requestId, code, payload }),
  block: frame("block", { requestId, userId, blocked: fc.boolean() }),
  compareLog: frame("compareLog", {
    requestId,
    conversationId,
    fromSeq: whole,
    toSeq: whole,
    digest: exactly(HASH_BYTES),
  }),
};

export const relayFrame = {
  challenge: frame("challenge", { version, relay: name, nonce: exactly(NONCE_BYTES) }),
  welcome: frame("welcome", {
    userId,
    deviceId,
    handle: name,
    displayName: name,
    now: whole,
    heartbeatMs: whole,
    iceServers: some(iceServer),
    addresses: some(name),
    run: exactly(RUN_BYTES),
  }),
  error: frame("error", {
    requestId: orNull(requestId),
    code: fc.constantFrom(...(Object.keys(errorCodes) as ErrorCode[])),
    message: text(40),
    retryAfterMs: orNull(whole),
    expected: orNull(whole),
  }),
  ping: frame("ping", { nonce }),
  pong: frame("pong", { nonce }),
  people: frame("people", { requestId, people: some(person) }),
  opened: frame("opened", { requestId, conversation }),
  appended: frame("appended", {
    requestId,
    places: some(fc.record({ seq: whole, at: whole, rights })),
  }),
  page: frame("page", { requestId, head: whole, first: whole, entries: some(entry) }),
  done: frame("done", { requestId }),
  changes: frame("changes", {
    requestId,
    conversations: some(conversation),
    upTo: whole,
    more: fc.boolean(),
  }),
  presences: frame("presences", { requestId, states: some(presence) }),
  compared: frame("compared", {
    requestId,
    from: whole,
    to: whole,
    pieces: some(exactly(HASH_BYTES)),
  }),
  conversation: frame("conversation", { stamp: whole, conversation }),
  entries: frame("entries", { stamp: whole, conversationId, entries: some(entry) }),
  placed: frame("placed", { stamp: whole, conversationId, placements: some(placement) }),
  cursors: frame("cursors", {
    stamp: whole,
    conversationId,
    userId,
    deliveredUpTo: whole,
    readUpTo: whole,
  }),
  presence: frame("presence", { presence }),
  typing: frame("typing", { conversationId, userId, active: fc.boolean() }),
  signal: frame("signal", { userId, deviceId, payload }),
  servers: frame("servers", { iceServers: some(iceServer), addresses: some(name) }),
  attention: frame("attention", {
    devices: some(
      fc.record({
        deviceId,
        since: whole,
        conversationId: orNull(conversationId),
        usedAt: orNull(whole),
      }),
    ),
  }),
  devices: frame("devices", {
    requestId,
    devices: some(
      fc.record({ deviceId, name, addedAt: whole, lastSeen: whole, connected: fc.boolean() }),
    ),
  }),
  invites: frame("invites", { requestId, invites: some(invite) }),
  invitation: frame("invitation", {
    requestId,
    conversationId,
    joined: fc.boolean(),
    memberCount: whole,
    preview: payload,
  }),
  linking: frame("linking", {
    proof: exactly(HASH_BYTES),
    deviceName: name,
    publicKey: exactly(PUBLIC_KEY_BYTES),
  }),
  devicesChanged: frame("devicesChanged"),
  deviceRemoved: frame("deviceRemoved", { userId, deviceId }),
};
