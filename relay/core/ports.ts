/** What the relay's domain code needs of the world, besides clock, randomness, crypto and log. */
import type { ErrorCode } from "../../shared/errors.js";
import type { ConversationId, DeviceId, UserId } from "../../shared/ids.js";
import type { Person, SequencedEntry } from "../../shared/protocol.js";
import type { Clock, Crypto, Log, Random } from "../../shared/runtime.js";

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

export type ConversationKind = "direct" | "group" | "notes";

export interface StoredConversation {
  readonly kind: ConversationKind;
  readonly members: readonly UserId[];
  readonly head: number;
  readonly cursors: ReadonlyMap<UserId, Cursor>;
}

/** What happens to one conversation in one commit, all or nothing. */
export interface LogChange {
  readonly conversationId: ConversationId;
  /** The log must end here, or the change is refused. */
  readonly expectedHead: number;
  /** Makes the conversation, which must not be there yet. */
  readonly opens: { readonly kind: ConversationKind } | null;
  /** With the seqs that follow `expectedHead`. */
  readonly entries: readonly SequencedEntry[];
  readonly cursors: ReadonlyMap<UserId, Cursor>;
  /** All of them find the change in their inbox. */
  readonly members: readonly UserId[];
  /** How many stamps the change takes. */
  readonly events: number;
}

/** The first of the stamps taken, which follow each other; null where the condition did not hold. */
export type LogOutcome = { readonly firstStamp: number } | null;

/** The logs and what hangs on them: members, cursors and inboxes. */
export interface LogStore {
  /** Null where there is none. No cursor is beyond the head. */
  conversation(id: ConversationId): Promise<StoredConversation | null>;
  /** The highest n that the device has in the log; 0 for none. */
  lastN(id: ConversationId, device: DeviceId): Promise<number>;
  /** Entries with `fromSeq` ≤ seq in order, at most `limit`. */
  entries(id: ConversationId, fromSeq: number, limit: number): Promise<readonly SequencedEntry[]>;
  /** The device's entries with `fromN` ≤ n < `toN` in order. */
  byOrigin(
    id: ConversationId,
    device: DeviceId,
    fromN: number,
    toN: number,
  ): Promise<readonly SequencedEntry[]>;
  /**
   * Applies each change whose condition holds; one change of a conversation at the most. When it resolves they are durable, by one sync for all.
   * When it rejects nothing is known to be written. Stamps grow from commit to commit and in the order
   * of the changes; cursors never run back, whatever the change says.
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
  /** Writes something harmless durably: rejects while the store cannot be written. */
  checkWritable(): Promise<void>;
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

/** Users, their handles and devices, and invites. */
export interface Directory {
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
  userCount(): Promise<number>;
  /** Milliseconds since 1970; 0 for never. */
  lastSeen(id: UserId | DeviceId): Promise<number>;
  /** Not durable at once: a crash may take it back. */
  setLastSeen(ids: readonly (UserId | DeviceId)[], at: number): Promise<void>;
}

export interface RelayStore {
  readonly logs: LogStore;
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
  | "rateLimited"
  | "droppedSlow";

export interface Metrics {
  count(counter: Counter, by?: number): void;
  failed(code: ErrorCode): void;
  connections(now: number): void;
  users(now: number): void;
  /** One group commit, with how many entries. */
  committed(entries: number, milliseconds: number): void;
}

export interface RelayPorts {
  readonly store: RelayStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly crypto: Crypto;
  readonly metrics: Metrics;
  readonly log: Log;
}
