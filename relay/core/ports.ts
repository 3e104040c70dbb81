/** What the relay's domain code needs of the world, besides clock, randomness, crypto and log. */
import type { DovetailError, ErrorCode } from "../../shared/errors.js";
import type { ConversationId, DeviceId, UserId } from "../../shared/ids.js";
import type { Group } from "../../shared/membership.js";
import type { Invite, Person, SequencedEntry } from "../../shared/protocol.js";
import type { Clock, Crypto, Log, Random } from "../../shared/runtime.js";
import type { Bus } from "./cluster/bus.js";
import type { Span } from "./spans.js";
import type { Summary } from "./summary.js";

/** A client's connection, from accepting to closing. */
export interface ClientWire {
  /** Queues one frame. After closing it does nothing. */
  send(frame: Uint8Array): void;
  /** Sends what is queued, then closes. */
  close(code: number, reason: string): void;
  /** Bytes that were queued and that the network has not taken yet. */
  readonly bufferedBytes: number;
  /** Stops and goes on reading from the client, where the wire can. */
  pause?(): void;
  resume?(): void;
  /** True while the wire itself reads nothing: silence says nothing about the client then. */
  readonly resting?: boolean;
}

/** Token buckets around one connection. Each takes a token, or says how many milliseconds to wait. */
export interface ConnectionLimits {
  registration(): number;
  request(device: DeviceId): number;
}

export interface Cursor {
  readonly deliveredUpTo: number;
  readonly readUpTo: number;
}

/** How far a user has come, and each of its devices by its own word. */
export interface StoredCursor extends Cursor {
  readonly devices: ReadonlyMap<DeviceId, number>;
}

export type ConversationKind = "direct" | "group" | "notes";

export interface StoredConversation {
  readonly kind: ConversationKind;
  /** Of conversations that are no groups: their members, at epoch 0 for ever. */
  readonly group: Group;
  readonly head: number;
  /** The seq with which what is kept of the log begins; `head + 1` where nothing is. */
  readonly first: number;
  readonly cursors: ReadonlyMap<UserId, StoredCursor>;
}

/** What happens to one conversation in one commit, all or nothing. */
export interface LogChange {
  readonly conversationId: ConversationId;
  /** The log must end here, or the change is refused. */
  readonly expectedHead: number;
  /** Makes the conversation, which must not be there yet. Needs `group`. */
  readonly opens: { readonly kind: ConversationKind } | null;
  /** With the seqs that follow `expectedHead`. */
  readonly entries: readonly SequencedEntry[];
  readonly cursors: ReadonlyMap<UserId, StoredCursor>;
  /** Who is in the conversation from now on; null where that stays. */
  readonly group: Group | null;
  /** All spans of each user of whom they change. Whoever has an open one is found by `groupsOf`. */
  readonly spans: ReadonlyMap<UserId, readonly Span[]>;
  /** Takes one use of an invite that was used so often until now, or the change is refused. */
  readonly invite: { readonly code: string; readonly uses: number } | null;
  /** All of them find the change in their inbox. */
  readonly noted: readonly UserId[];
  /** All members find the change by the group itself; to these, that it is so is new. Null: nobody does. */
  readonly crowd: { readonly newTo: readonly UserId[] } | null;
  /** How many stamps the change takes. */
  readonly events: number;
}

/**
 * The first of the stamps taken, which follow each other, or 0 of a store that gives each user stamps of
 * its own; null where the condition did not hold; `failed` where it is not known whether the change is
 * written, or whether all whom it concerns will find it.
 */
export type LogOutcome =
  | { readonly firstStamp: number }
  | { readonly failed: DovetailError }
  | null;

/** Where an entry stands, which stays known when the entry itself is no longer kept. */
export interface Placed {
  readonly n: number;
  readonly seq: number;
  readonly at: number;
  readonly entry: SequencedEntry | null;
}

/** The logs and what hangs on them: members, cursors and inboxes. */
export interface LogStore {
  /**
   * Null where there is none. No cursor is beyond the head. What a change was to note in inboxes and did not,
   * because its writer ended, is noted first; not for whoever only `glances`: the writer may be about to.
   */
  conversation(id: ConversationId, glances?: boolean): Promise<StoredConversation | null>;
  /** The highest n that the device has in the log, membership entries apart; 0 for none. */
  lastN(id: ConversationId, device: DeviceId): Promise<number>;
  /** Entries with `fromSeq` ≤ seq in order, at most `limit`. Without holes, but for a lost beginning. */
  entries(id: ConversationId, fromSeq: number, limit: number): Promise<readonly SequencedEntry[]>;
  /** What was kept of a whole block of 256 places; null where nothing was, or it is gone. */
  digest(id: ConversationId, block: number): Promise<Uint8Array | null>;
  /** Of entries that are durable already. May be lost, for it can be computed again. */
  keepDigest(id: ConversationId, block: number, digest: Uint8Array): Promise<void>;
  /** Where the device's entries with `fromN` ≤ n < `toN` stand, in order. */
  byOrigin(
    id: ConversationId,
    device: DeviceId,
    fromN: number,
    toN: number,
  ): Promise<readonly Placed[]>;
  /** The parts of a group's log that are the user's, in order. */
  spans(id: ConversationId, user: UserId): Promise<readonly Span[]>;
  /** Those of everybody who has ever been a member of the group. */
  allSpans(id: ConversationId): Promise<ReadonlyMap<UserId, readonly Span[]>>;
  /** Groups of which the user is a member. */
  groupsOf(user: UserId): Promise<readonly ConversationId[]>;
  /**
   * Applies each change whose condition holds; one change of a conversation at the most. When it resolves
   * those that did not fail are durable; where one fails the others are applied all the same. When it
   * rejects nothing is known of any. Each user's stamps grow from commit to commit, within one in the
   * order of `firstStamp`; cursors never run back, whatever the change says. A store that keeps logs and
   * inboxes apart writes the log first, with whom the change concerns, and makes up for missing notes
   * before it gives out that conversation.
   */
  commit(changes: readonly LogChange[]): Promise<readonly LogOutcome[]>;
  /**
   * Conversations that changed for the user after that stamp, oldest change first. One that changed
   * several times is there once, with its newest stamp.
   */
  changes(
    user: UserId,
    after: number,
    limit: number,
  ): Promise<readonly { readonly stamp: number; readonly conversationId: ConversationId }[]>;
  /** The stamp of the user's newest change; 0 for none. */
  newestStamp(user: UserId): Promise<number>;
  /** Empties the payloads of at most `limit` entries whose time was up at `now`; says of how many. */
  eraseExpired(now: number, limit: number): Promise<number>;
  /** Forgets the entries before `first`, of which only the places stay known, and the digests of their blocks. */
  trim(id: ConversationId, first: number): Promise<void>;
  /** Conversations after that one, or from the beginning on, in an order of their own. */
  conversationsAfter(id: ConversationId | null, limit: number): Promise<readonly ConversationId[]>;
  /** Writes something harmless durably: rejects while the store cannot be written. */
  checkWritable(): Promise<void>;
}

export interface StoredInvite extends Invite {
  readonly conversationId: ConversationId;
  readonly preview: Uint8Array;
}

/** The invite links of groups. */
export interface InviteStore {
  find(code: string): Promise<StoredInvite | null>;
  of(id: ConversationId): Promise<readonly StoredInvite[]>;
  /**
   * Durable when it resolves. Where the code is there already nothing changes, and what is there is
   * given. The conversation is there. `dead` says which ones need not be kept, to make room; more than `max` are refused.
   */
  add(
    invite: StoredInvite,
    max: number,
    dead: (invite: StoredInvite) => boolean,
  ): Promise<StoredInvite | "too_many_invites">;
  /** Durable when it resolves. */
  remove(id: ConversationId, code: string): Promise<void>;
}

export interface Device {
  readonly deviceId: DeviceId;
  readonly userId: UserId;
  readonly name: string;
  readonly publicKey: Uint8Array;
  /** Milliseconds since 1970. */
  readonly addedAt: number;
  /** Once true it stays so. */
  readonly removed: boolean;
  /** The device of the same user that vouched for it; null for the one that registered. */
  readonly addedBy: { readonly deviceId: DeviceId; readonly signature: Uint8Array } | null;
}

export interface NewAccount {
  readonly user: Person;
  readonly device: Device;
  /** How often the code may be used; null for as often as one likes. */
  readonly invite: { readonly code: string; readonly uses: number | null } | null;
}

export interface RegistrationCode {
  readonly code: string;
  /** How many may register with it; null for as many as like. */
  readonly uses: number | null;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /** Once true it stays so. */
  readonly revoked: boolean;
}

/** Codes that registering needs, besides those that the relay was started with. */
export interface RegistrationCodes {
  /** Whether nobody registers without one. */
  needed(): Promise<boolean>;
  /** Durable when it resolves. */
  setNeeded(needed: boolean): Promise<void>;
  /** Also one that was revoked. */
  find(code: string): Promise<RegistrationCode | null>;
  /** Those after that one, or from the first on, in alphabetical order. */
  after(code: string | null, limit: number): Promise<readonly RegistrationCode[]>;
  /** Durable when it resolves. False where there is such a code, also a revoked one. */
  add(code: RegistrationCode): Promise<boolean>;
  /** Durable when it resolves. False where there is none. */
  revoke(code: string): Promise<boolean>;
  /** How many have registered with that code, also where the relay was started with it. */
  used(code: string): Promise<number>;
}

/** Users, their handles and devices, and the codes by which they register. */
export interface Directory {
  readonly codes: RegistrationCodes;
  user(id: UserId): Promise<Person | null>;
  /** Also those that were removed. */
  device(id: DeviceId): Promise<Device | null>;
  /** The user's devices that are not removed, the oldest first. */
  devices(user: UserId): Promise<readonly Device[]>;
  /**
   * Durable when it resolves. A device that is known already, also as removed, is not added again: what
   * is known of it is given.
   */
  addDevice(device: Device): Promise<Device | "too_many_devices">;
  /** Durable when it resolves; the device's key stays refused for ever. False where there is no such. */
  removeDevice(user: UserId, device: DeviceId): Promise<boolean>;
  /** Handles that start with the prefix, in alphabetical order. */
  search(prefix: string, limit: number): Promise<readonly Person[]>;
  /**
   * Durable when it resolves, and conditional: the first to ask gets the handle. For a device that has
   * an account with that very handle already it gives that account and changes nothing.
   */
  register(account: NewAccount): Promise<Person | "handle_taken" | "invite_invalid">;
  /** Everybody with a handle after that one, or from the first on, in alphabetical order. */
  usersAfter(handle: string | null, limit: number): Promise<readonly Person[]>;
  /** How many users there are: of a store that would read all of them for it, as of a while ago. */
  userCount(): Promise<number>;
  /** Whom the user has blocked. */
  blockedBy(user: UserId): Promise<readonly UserId[]>;
  /** Durable when it resolves. */
  setBlocked(user: UserId, other: UserId, blocked: boolean): Promise<void>;
  /** Milliseconds since 1970; 0 for never. */
  lastSeen(id: UserId | DeviceId): Promise<number>;
  /** By milliseconds since 1970. Not durable at once: a crash may take it back. */
  setLastSeen(seen: ReadonlyMap<UserId | DeviceId, number>): Promise<void>;
}

export interface RelayStore {
  readonly logs: LogStore;
  readonly invites: InviteStore;
  readonly directory: Directory;
}

export type Counter =
  | "framesIn"
  | "framesOut"
  | "appendRequests"
  | "appended"
  | "appendedDirect"
  | "handedIn"
  | "duplicates"
  | "conflicts"
  | "fanOut"
  | "inboxNotes"
  | "membershipChanges"
  | "expired"
  | "trimmed"
  | "rateLimited"
  | "deferred"
  | "full"
  | "droppedSlow";

export interface Metrics {
  count(counter: Counter, by?: number): void;
  failed(code: ErrorCode): void;
  connections(now: number): void;
  users(now: number): void;
  /** One group commit, with how many entries. */
  committed(entries: number, milliseconds: number): void;
  /** A client that came back has heard what changed, in how many conversations. */
  caughtUp(changes: number): void;
  /** How this node is, every other second, how many nodes there are, and whether the store takes writes. */
  measured(summary: Summary, nodes: number, writable: boolean): void;
}

export interface RelayPorts {
  readonly store: RelayStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly crypto: Crypto;
  readonly metrics: Metrics;
  readonly log: Log;
  /** To the other nodes of the relay; absent where it is one node. They share the store. */
  readonly bus?: Bus | undefined;
}
