import type { Settings } from "../../shared/client-api.js";
import { DovetailError } from "../../shared/errors.js";
import {
  type ConversationId,
  type DeviceId,
  type MessageId,
  messageIdOf,
  type Origin,
  type UserId,
} from "../../shared/ids.js";
import { type KeyValue, under } from "../../shared/key-value.js";
import { type Content, decodeContent, type Flag, isShown } from "./content.js";
import { type ClockReading, clockText } from "./hlc.js";
import {
  type AccountRow,
  accountRow,
  addressesRow,
  type BlockRow,
  blocksRow,
  type ConversationRow,
  clockRow,
  conversationRow,
  type DraftRow,
  draftRow,
  endedRow,
  type FlagRow,
  flagRow,
  keys,
  type LogRow,
  logRow,
  type MemberRow,
  membersRow,
  type NewsRow,
  newsRow,
  type PinRow,
  type ProfileRow,
  personRow,
  pinsRow,
  profileRow,
  SCHEMA_VERSION,
  type StarRow,
  schemaRow,
  seqOfKey,
  settingsRow,
  skewRow,
  stampRow,
  starRow,
  type TailRow,
  type TimerRow,
  tailRow,
  timerRow,
} from "./rows.js";
import { upgrade } from "./upgrade.js";

export interface Person {
  readonly handle: string;
  readonly displayName: string;
}

/** A row of the tail with its payload read. */
export interface TailEntry extends TailRow {
  readonly content: Content;
  readonly clock: string;
  /** Whether it is a line of its own. */
  readonly shown: boolean;
}

export const readTail = (row: TailRow): TailEntry => {
  const content = decodeContent(row.payload, row.at);
  return { ...row, content, clock: clockText(content.clock), shown: isShown(content.body) };
};

/** What is known of one conversation without asking the disk. */
export interface Conversation {
  row: ConversationRow;
  /** Entries without a shown place, in the order they are shown: by clock. */
  readonly tail: TailEntry[];
  /** The entry at `row.upTo`; null where it is not stored. */
  newest: LogRow | null;
  /** The last entry of the log that is shown. */
  lastShown: { readonly seq: number; readonly row: LogRow } | null;
  profile: ProfileRow | null;
  timer: TimerRow | null;
  /** What this device has yet to tell those whom it let in; null for nothing. */
  news: NewsRow | null;
  pins: readonly PinRow[];
  readonly flags: Map<Flag, FlagRow>;
  draft: DraftRow | null;
  /** The last entry of somebody else that was stored: what a receipt is for. */
  heardUpTo: number;
}

export const newConversation = (row: ConversationRow): Conversation => ({
  row,
  tail: [],
  newest: null,
  lastShown: null,
  profile: null,
  timer: null,
  news: null,
  pins: [],
  flags: new Map(),
  draft: null,
  heardUpTo: row.upTo,
});

const DEFAULT_SETTINGS: Settings = { directEnabled: true, notifications: true, theme: "system" };

/**
 * The profile in memory: all but the sequenced entries. Only `apply` of a journalled change may
 * write to it.
 */
export class ClientState {
  account: AccountRow | null = null;
  /** Where the relay is found as well, as it last told. */
  addresses: readonly string[] = [];
  settings: Settings = DEFAULT_SETTINGS;
  /** All changes of the relay's inbox up to here are stored, or noted as to be fetched. */
  stamp = 0;
  /** The relay's clock less this device's, in milliseconds, as last seen. */
  skew = 0;
  /** The last reading of the hybrid clock that an own entry carries, as it was at the start. */
  lastClock: ClockReading | null = null;
  /** Whether the last process closed the profile. */
  endedCleanly = false;
  /** The relay's run that this device was last connected to; null where that is not known. */
  run: Uint8Array | null = null;
  readonly people = new Map<UserId, Person>();
  readonly conversations = new Map<ConversationId, Conversation>();
  readonly stars = new Map<MessageId, StarRow>();
  /** Deleted for this user only. */
  readonly hidden = new Set<MessageId>();
  /** By the blocked person, in the order of the blocks' writings. */
  readonly blocks = new Map<UserId, readonly BlockRow[]>();

  /** @throws DovetailError `profile_corrupt`, `profile_newer`. */
  static async load(store: KeyValue): Promise<ClientState> {
    const state = new ClientState();
    const schema = await store.get(keys.schema);
    if (!schema) {
      await store.batch([
        { type: "put", key: keys.schema, value: schemaRow.encode(SCHEMA_VERSION) },
      ]);
      return state;
    }
    const version = schemaRow.decode(schema);
    if (version > SCHEMA_VERSION) throw new DovetailError("profile_newer");
    if (version < SCHEMA_VERSION) await upgrade(store);
    const ended = await store.get(keys.ended);
    state.endedCleanly = ended !== undefined;
    if (ended) state.run = endedRow.decode(ended);

    const [account, addresses, settings, stamp, clock, skew] = await Promise.all(
      [keys.account, keys.addresses, keys.settings, keys.stamp, keys.clock, keys.skew].map((key) =>
        store.get(key),
      ),
    );
    if (clock) state.lastClock = clockRow.decode(clock);
    if (account) state.account = accountRow.decode(account);
    if (addresses) state.addresses = addressesRow.decode(addresses);
    if (settings) state.settings = settingsRow.decode(settings);
    if (stamp) state.stamp = stampRow.decode(stamp);
    if (skew) {
      const { ahead, behind } = skewRow.decode(skew);
      state.skew = ahead - behind;
    }
    await state.#loadPersonal(store);
    await state.#loadConversations(store);
    return state;
  }

  async #loadPersonal(store: KeyValue): Promise<void> {
    for (const { key, value } of await store.range(under(keys.people))) {
      this.people.set(key.slice(keys.people.length) as UserId, personRow.decode(value));
    }
    for (const { key, value } of await store.range(under(keys.stars))) {
      this.stars.set(key.slice(keys.stars.length) as MessageId, starRow.decode(value));
    }
    for (const { key } of await store.range(under(keys.hiddens))) {
      this.hidden.add(key.slice(keys.hiddens.length) as MessageId);
    }
    for (const { key, value } of await store.range(under(keys.blocks))) {
      this.blocks.set(key.slice(keys.blocks.length) as UserId, blocksRow.decode(value));
    }
  }

  async #loadConversations(store: KeyValue): Promise<void> {
    const members = new Map<string, readonly MemberRow[]>();
    for (const { key, value } of await store.range(under(keys.members))) {
      members.set(key.slice(keys.members.length), membersRow.decode(value));
    }
    for (const { value } of await store.range(under(keys.conversations))) {
      const stored = conversationRow.decode(value);
      const { conversationId: id, upTo } = stored;
      const conversation = newConversation({ ...stored, members: members.get(id) ?? [] });
      const newest =
        upTo > 0
          ? ((await store.get(keys.shown(id, upTo))) ?? (await store.get(keys.quiet(id, upTo))))
          : undefined;
      if (newest) conversation.newest = logRow.decode(newest);
      conversation.lastShown = await lastShown(this, store, conversation.row, upTo);
      this.conversations.set(id, conversation);
    }
    const each = async (
      prefix: string,
      take: (conversation: Conversation, value: Uint8Array, rest: string) => void,
    ) => {
      for (const { key, value } of await store.range(under(prefix))) {
        const [id = "", rest = ""] = key.slice(prefix.length).split("/");
        const conversation = this.conversations.get(id as ConversationId);
        if (conversation) take(conversation, value, rest);
      }
    };
    await each(keys.drafts, (to, value) => {
      to.draft = draftRow.decode(value);
    });
    await each(keys.profiles, (to, value) => {
      to.profile = profileRow.decode(value);
    });
    await each(keys.timers, (to, value) => {
      to.timer = timerRow.decode(value);
    });
    await each(keys.untold, (to, value) => {
      to.news = newsRow.decode(value);
    });
    await each(keys.pins, (to, value) => {
      to.pins = pinsRow.decode(value);
    });
    await each(keys.flags, (to, value, flag) => to.flags.set(flag as Flag, flagRow.decode(value)));
    await each(keys.tails, (to, value) => insert(to.tail, readTail(tailRow.decode(value))));
  }

  /** @throws DovetailError `not_registered`. */
  get self(): AccountRow {
    if (!this.account) throw new DovetailError("not_registered");
    return this.account;
  }

  /** @throws DovetailError `not_found`. */
  conversation(id: ConversationId): Conversation {
    const conversation = this.conversations.get(id);
    if (!conversation) throw new DovetailError("not_found", "There is no such conversation here.");
    return conversation;
  }

  others(row: ConversationRow): readonly UserId[] {
    const self = this.account?.userId;
    return row.members.map((member) => member.userId).filter((userId) => userId !== self);
  }

  /** The own membership; undefined where one is not a member any more. */
  own(row: ConversationRow): MemberRow | undefined {
    return row.members.find(({ userId }) => userId === this.account?.userId);
  }

  /** The conversation with oneself, which carries what follows a user to all devices. */
  get notes(): Conversation | undefined {
    for (const each of this.conversations.values()) if (each.row.kind === "notes") return each;
    return undefined;
  }

  userByHandle(handle: string): UserId | undefined {
    for (const [userId, person] of this.people) if (person.handle === handle) return userId;
    return undefined;
  }

  isBlocked(user: UserId): boolean {
    return this.blocks.get(user)?.at(-1)?.until === null;
  }

  /**
   * Whether an entry is not shown to this user: deleted on the own devices, or written by somebody
   * while they were blocked.
   */
  isHidden(row: ConversationRow, entry: Origin & { userId: UserId; at: number }): boolean {
    if (this.hidden.size > 0 && this.hidden.has(messageIdOf(row.conversationId, entry)))
      return true;
    if (row.kind !== "direct") return false;
    const blocks = this.blocks.get(entry.userId) ?? [];
    return blocks.some(({ since, until }) => since <= entry.at && (until ?? Infinity) > entry.at);
  }

  /** Conversations, the most recently active first. */
  byActivity(): Conversation[] {
    return [...this.conversations.values()].sort((a, b) => b.row.activity - a.row.activity);
  }
}

/** The last entry that this user is shown, up to that place of the log. */
export async function lastShown(
  state: ClientState,
  store: KeyValue,
  row: ConversationRow,
  upTo: number,
): Promise<Conversation["lastShown"]> {
  const from = keys.shown(row.conversationId, 0);
  for (let to = keys.shown(row.conversationId, upTo + 1); ; ) {
    const [last] = await store.range({ from, to, reverse: true, limit: 1 });
    if (!last) return null;
    const found = { seq: seqOfKey(last.key), row: logRow.decode(last.value) };
    if (!state.isHidden(row, found.row)) return found;
    to = last.key;
  }
}

export const sameOrigin = (a: Origin, b: Origin): boolean =>
  a.n === b.n && a.deviceId === b.deviceId;

/** The own entries of the tail that the relay is not known to have, in the order they were sent. */
export const unplaced = (conversation: Conversation, device: DeviceId): TailEntry[] =>
  conversation.tail
    .filter((entry) => entry.deviceId === device && entry.seq === 0)
    .sort((a, b) => a.n - b.n);

/**
 * By clock alone: one whose seq is known already, while entries before it are missing, would else
 * overtake an earlier one of its device.
 */
function before(a: TailEntry, b: TailEntry): boolean {
  if (a.clock !== b.clock) return a.clock < b.clock;
  return a.deviceId === b.deviceId ? a.n < b.n : a.deviceId < b.deviceId;
}

/** Puts an entry where it belongs; nearly always that is the end. */
export function insert(tail: TailEntry[], entry: TailEntry): void {
  let at = tail.length;
  while (at > 0 && before(entry, tail[at - 1] as TailEntry)) at--;
  tail.splice(at, 0, entry);
}

export function remove(tail: TailEntry[], origin: Origin): void {
  const at = tail.findIndex((entry) => sameOrigin(entry, origin));
  if (at >= 0) tail.splice(at, 1);
}

export function replace(tail: TailEntry[], entry: TailEntry): void {
  remove(tail, entry);
  insert(tail, entry);
}
