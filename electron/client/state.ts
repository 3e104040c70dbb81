import type { Settings } from "../../shared/client-api.js";
import { DovetailError } from "../../shared/errors.js";
import type { ConversationId, DeviceId, Origin, UserId } from "../../shared/ids.js";
import { type KeyValue, under } from "../../shared/key-value.js";
import { type Content, decodeContent } from "./content.js";
import { type ClockReading, clockText } from "./hlc.js";
import {
  type AccountRow,
  accountRow,
  type ConversationRow,
  clockRow,
  conversationRow,
  draftRow,
  keys,
  type LogRow,
  logRow,
  personRow,
  SCHEMA_VERSION,
  schemaRow,
  settingsRow,
  stampRow,
  type TailRow,
  tailRow,
} from "./rows.js";

export interface Profile {
  readonly handle: string;
  readonly displayName: string;
}

/** A row of the tail with its payload read. */
export interface TailEntry extends TailRow {
  readonly content: Content;
  readonly clock: string;
}

export const readTail = (row: TailRow): TailEntry => {
  const content = decodeContent(row.payload, row.at);
  return { ...row, content, clock: clockText(content.clock) };
};

/** What is known of one conversation without asking the disk. */
export interface Conversation {
  row: ConversationRow;
  /** Entries without a shown place, in the order they are shown: by clock. */
  readonly tail: TailEntry[];
  /** The entry at `row.upTo`. */
  newest: LogRow | null;
  draft: string;
  /** The last entry of somebody else that was stored: what a receipt is for. */
  heardUpTo: number;
}

const DEFAULT_SETTINGS: Settings = { directEnabled: true, notifications: true, theme: "system" };

/**
 * The profile in memory: all but the sequenced entries. Only `apply` of a journalled change may
 * write to it.
 */
export class ClientState {
  account: AccountRow | null = null;
  settings: Settings = DEFAULT_SETTINGS;
  /** All changes of the relay's inbox up to here are stored, or noted as to be fetched. */
  stamp = 0;
  /** The last reading of the hybrid clock that an own entry carries, as it was at the start. */
  lastClock: ClockReading | null = null;
  readonly people = new Map<UserId, Profile>();
  readonly conversations = new Map<ConversationId, Conversation>();

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
    if (schemaRow.decode(schema) > SCHEMA_VERSION) throw new DovetailError("profile_newer");

    const [account, settings, stamp, clock] = await Promise.all(
      [keys.account, keys.settings, keys.stamp, keys.clock].map((key) => store.get(key)),
    );
    if (clock) state.lastClock = clockRow.decode(clock);
    if (account) state.account = accountRow.decode(account);
    if (settings) state.settings = settingsRow.decode(settings);
    if (stamp) state.stamp = stampRow.decode(stamp);
    for (const { key, value } of await store.range(under(keys.people))) {
      state.people.set(key.slice(keys.people.length) as UserId, personRow.decode(value));
    }
    for (const { value } of await store.range(under(keys.conversations))) {
      const row = conversationRow.decode(value);
      const newest =
        row.upTo > 0 ? await store.get(keys.log(row.conversationId, row.upTo)) : undefined;
      state.conversations.set(row.conversationId, {
        row,
        tail: [],
        newest: newest ? logRow.decode(newest) : null,
        draft: "",
        heardUpTo: row.upTo,
      });
    }
    for (const { key, value } of await store.range(under(keys.drafts))) {
      const conversation = state.conversations.get(key.slice(keys.drafts.length) as ConversationId);
      if (conversation) conversation.draft = draftRow.decode(value);
    }
    for (const { key, value } of await store.range(under(keys.tails))) {
      const conversation = state.conversations.get(key.split("/")[1] as ConversationId);
      if (conversation) insert(conversation.tail, readTail(tailRow.decode(value)));
    }
    return state;
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

  userByHandle(handle: string): UserId | undefined {
    for (const [userId, person] of this.people) if (person.handle === handle) return userId;
    return undefined;
  }

  /** Conversations, the most recently active first. */
  byActivity(): Conversation[] {
    return [...this.conversations.values()].sort((a, b) => b.row.activity - a.row.activity);
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
