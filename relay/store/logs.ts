import { blockOf, placesOf } from "../../shared/digest.js";
import { DovetailError } from "../../shared/errors.js";
import type { ConversationId, DeviceId, UserId } from "../../shared/ids.js";
import {
  fromSortable,
  type KeyValue,
  sortable,
  under,
  type Write,
} from "../../shared/key-value.js";
import type { SequencedEntry } from "../../shared/protocol.js";
import { MAX_CACHED_CONVERSATIONS } from "../core/bounds.js";
import { emptied, endOf } from "../core/lifetime.js";
import { Lru } from "../core/lru.js";
import type {
  ConversationKind,
  LogChange,
  LogOutcome,
  LogStore,
  Placed,
  StoredConversation,
  StoredCursor,
  StoredInvite,
} from "../core/ports.js";
import type { Span } from "../core/spans.js";
import { type Before, holds, writesOf } from "./log-commit.js";
import { keys, rows } from "./rows.js";
import type { Serial } from "./serial.js";

/** What was last committed, so that a commit need not read it again. */
interface Known {
  head: number;
  readonly inboxAt: Map<UserId, number>;
}

interface Note {
  readonly stamp: number;
  readonly conversationId: ConversationId;
}

const lastPart = (key: string): string => key.slice(key.lastIndexOf("/") + 1);

/** A damaged row must not keep the payloads of all others from being deleted. */
function nullIfDamaged(error: unknown): null {
  if (DovetailError.from(error).code === "profile_corrupt") return null;
  throw error;
}

export function cursorOf(key: string, stored: Uint8Array): StoredCursor {
  const { devices, ...cursor } = rows.cursor.decode(key, stored);
  return {
    ...cursor,
    devices: new Map(devices.map(({ deviceId, deliveredUpTo }) => [deviceId, deliveredUpTo])),
  };
}

/**
 * The condition of a commit is checked in this process, so a key-value store may have one of these
 * only. (LevelDB's lock sees to that between processes.)
 */
export class KvLogStore implements LogStore {
  readonly #kv: KeyValue;
  readonly #serial: Serial;
  readonly #known = new Lru<ConversationId, Known>(MAX_CACHED_CONVERSATIONS);
  /** The newest stamp given; null until read. */
  #stamp: number | null = null;

  constructor(kv: KeyValue, serial: Serial) {
    this.#kv = kv;
    this.#serial = serial;
  }

  async conversation(id: ConversationId): Promise<StoredConversation | null> {
    const key = keys.conversation(id);
    const stored = await this.#kv.get(key);
    if (!stored) return null;
    // Before the head, so that a commit in between leaves no cursor beyond it.
    const cursorRows = await this.#kv.range(under(keys.cursors(id)));
    const cursors = new Map(
      cursorRows.map((row) => [lastPart(row.key) as UserId, cursorOf(row.key, row.value)]),
    );
    const { kind, ...group } = rows.conversation.decode(key, stored);
    return {
      kind,
      group,
      head: await this.#number(keys.head(id)),
      first: await this.#first(id),
      cursors,
    };
  }

  lastN(id: ConversationId, device: DeviceId): Promise<number> {
    return this.#number(keys.lastN(id, device));
  }

  async entries(
    id: ConversationId,
    fromSeq: number,
    limit: number,
  ): Promise<readonly SequencedEntry[]> {
    const found = await this.#kv.range({
      from: keys.entry(id, fromSeq),
      to: under(`entry/${id}/`).to,
      limit,
    });
    return found.map(({ key, value }) => ({
      seq: fromSortable(lastPart(key)),
      ...rows.entry.decode(key, value),
    }));
  }

  async digest(id: ConversationId, block: number): Promise<Uint8Array | null> {
    const key = keys.digest(id, block);
    const stored = await this.#kv.get(key);
    return stored ? rows.digest.decode(key, stored) : null;
  }

  keepDigest(id: ConversationId, block: number, digest: Uint8Array): Promise<void> {
    return this.#serial.run(async () => {
      // It may have been trimmed since the entries were read.
      if (placesOf(block).from < (await this.#first(id))) return;
      const value = rows.digest.encode(digest);
      await this.#kv.batch([{ type: "put", key: keys.digest(id, block), value }], false);
    });
  }

  async byOrigin(
    id: ConversationId,
    device: DeviceId,
    fromN: number,
    toN: number,
  ): Promise<readonly Placed[]> {
    const found = await this.#kv.range({
      from: keys.origin(id, device, fromN),
      to: keys.origin(id, device, toN),
    });
    const placed = await Promise.all(
      found.map(async ({ key, value }): Promise<Placed | null> => {
        const { seq } = rows.origin.decode(key, value);
        const entry = await this.#entry(id, seq);
        // It may have been trimmed since the row was read, which then says when it was appended.
        const at = entry?.at ?? rows.origin.decode(key, (await this.#kv.get(key)) ?? value).at;
        return at === null ? null : { n: fromSortable(lastPart(key)), seq, at, entry };
      }),
    );
    return placed.filter((each) => each !== null);
  }

  async spans(id: ConversationId, user: UserId): Promise<readonly Span[]> {
    const key = keys.spans(id, user);
    const stored = await this.#kv.get(key);
    return stored ? rows.spans.decode(key, stored) : [];
  }

  async allSpans(id: ConversationId): Promise<ReadonlyMap<UserId, readonly Span[]>> {
    const found = await this.#kv.range(under(keys.allSpans(id)));
    return new Map(
      found.map(({ key, value }) => [lastPart(key) as UserId, rows.spans.decode(key, value)]),
    );
  }

  async groupsOf(user: UserId): Promise<readonly ConversationId[]> {
    const found = await this.#kv.range(under(keys.groupsOf(user)));
    return found.map(({ key, value }) => rows.conversationId.decode(key, value));
  }

  async changes(user: UserId, after: number, limit: number): Promise<readonly Note[]> {
    const crowds = (await this.#crowdsOf(user)).filter(({ stamp }) => stamp > after);
    const stamps = new Map(crowds.map(({ conversationId, stamp }) => [conversationId, stamp]));
    const found = await this.#kv.range({
      from: keys.inbox(user, after + 1),
      to: under(`inbox/${user}/`).to,
      // As many as at the most are there a second time, newer, by the group itself.
      limit: limit + crowds.length,
    });
    const noted = found.map(({ key, value }) => ({
      stamp: fromSortable(lastPart(key)),
      conversationId: rows.conversationId.decode(key, value),
    }));
    const newest = noted.filter(({ conversationId, stamp }) => {
      const crowdAt = stamps.get(conversationId) ?? 0;
      if (crowdAt < stamp) stamps.delete(conversationId);
      return crowdAt < stamp;
    });
    const told = crowds.filter(({ conversationId }) => stamps.has(conversationId));
    return [...newest, ...told].sort((a, b) => a.stamp - b.stamp).slice(0, limit);
  }

  async newestStamp(user: UserId): Promise<number> {
    const [newest] = await this.#kv.range({
      ...under(`inbox/${user}/`),
      reverse: true,
      limit: 1,
    });
    const noted = newest ? fromSortable(lastPart(newest.key)) : 0;
    const crowds = await this.#crowdsOf(user);
    return Math.max(noted, ...crowds.map(({ stamp }) => stamp));
  }

  /** What the user finds by large groups themselves. */
  async #crowdsOf(user: UserId): Promise<readonly Note[]> {
    const found = await this.#kv.range(under(keys.crowdsOf(user)));
    return Promise.all(
      found.map(async ({ key, value }) => {
        const conversationId = rows.conversationId.decode(key, value);
        return { conversationId, stamp: await this.#number(keys.crowdAt(conversationId)) };
      }),
    );
  }

  commit(changes: readonly LogChange[]): Promise<readonly LogOutcome[]> {
    return this.#serial.run(() => this.#commit(changes));
  }

  eraseExpired(now: number, limit: number): Promise<number> {
    return this.#serial.run(async () => {
      const due = await this.#kv.range({
        from: "expiry/",
        to: `expiry/${sortable(now + 1)}`,
        limit,
      });
      const erased = await Promise.all(
        due.map(async ({ key }): Promise<Write[]> => {
          const [, , id, place] = key.split("/") as [string, string, ConversationId, string];
          const seq = fromSortable(place);
          const entry = await this.#entry(id, seq).catch(nullIfDamaged);
          const done: Write = { type: "del", key };
          if (!entry) return [done];
          const value = rows.entry.encode(emptied(entry));
          return [done, { type: "put", key: keys.entry(id, seq), value }];
        }),
      );
      if (due.length > 0) await this.#kv.batch(erased.flat());
      return due.length;
    });
  }

  trim(id: ConversationId, first: number): Promise<void> {
    return this.#serial.run(async () => {
      const from = await this.#first(id);
      const gone = await this.#kv.range({ from: keys.entry(id, from), to: keys.entry(id, first) });
      const digests = await this.#kv.range({
        from: keys.digest(id, 0),
        to: keys.digest(id, blockOf(first - 1) + 1),
      });
      const writes = gone.flatMap(({ key, value }): Write[] => {
        const seq = fromSortable(lastPart(key));
        const entry = rows.entry.decode(key, value);
        const origin = rows.origin.encode({ seq, at: entry.at });
        const dueAt = endOf(entry);
        return [
          { type: "del", key },
          { type: "put", key: keys.origin(id, entry.deviceId, entry.n), value: origin },
          ...(dueAt === null ? [] : [{ type: "del", key: keys.expiry(dueAt, id, seq) } as const]),
        ];
      });
      if (first <= from) return;
      for (const { key } of digests) writes.push({ type: "del", key });
      const value = rows.number.encode(first);
      await this.#kv.batch([...writes, { type: "put", key: keys.first(id), value }]);
    });
  }

  async conversationsAfter(
    id: ConversationId | null,
    limit: number,
  ): Promise<readonly ConversationId[]> {
    const all = under("conversation/");
    // Nothing sorts between a key and itself with a `~`, nor after that before the next key.
    const from = id ? `${keys.conversation(id)}~` : all.from;
    const found = await this.#kv.range({ from, to: all.to, limit });
    return found.map(({ key }) => lastPart(key) as ConversationId);
  }

  checkWritable(): Promise<void> {
    return this.#serial.run(async () => {
      // What was read while the store was failing may be out of date once it works again.
      this.#forget();
      await this.#kv.batch([{ type: "put", key: keys.probe, value: rows.number.encode(0) }]);
    });
  }

  async #commit(changes: readonly LogChange[]): Promise<readonly LogOutcome[]> {
    const befores = await Promise.all(changes.map((change) => this.#before(change)));
    let stamp = this.#stamp ?? (await this.#number(keys.stamp));
    const writes: Write[] = [];
    const outcomes = changes.map((change, i): LogOutcome => {
      const before = befores[i] as Before;
      if (!holds(change, before)) return null;
      const firstStamp = stamp + 1;
      stamp += change.events;
      writes.push(...writesOf(change, before, stamp));
      return { firstStamp };
    });
    if (writes.length === 0) return outcomes;
    writes.push({ type: "put", key: keys.stamp, value: rows.number.encode(stamp) });
    try {
      await this.#kv.batch(writes);
    } catch (error) {
      this.#forget();
      throw error;
    }
    this.#stamp = stamp;
    changes.forEach((change, i) => {
      const outcome = outcomes[i];
      if (outcome) this.#remember(change, outcome.firstStamp + change.events - 1);
    });
    return outcomes;
  }

  async #before(change: LogChange): Promise<Before> {
    const id = change.conversationId;
    const known = this.#known.get(id);
    const [head, exists] = known
      ? [known.head, true]
      : [
          await this.#number(keys.head(id)),
          (await this.#kv.get(keys.conversation(id))) !== undefined,
        ];
    const inboxAt = new Map<UserId, number>();
    if (change.events > 0 && exists) {
      const unknown = change.noted.filter((user) => known?.inboxAt.get(user) === undefined);
      const read = await Promise.all(unknown.map((user) => this.#number(keys.inboxAt(user, id))));
      unknown.forEach((user, i) => {
        inboxAt.set(user, read[i] as number);
      });
      for (const user of change.noted) {
        inboxAt.set(user, inboxAt.get(user) ?? known?.inboxAt.get(user) ?? 0);
      }
    }
    const cursors = new Map<UserId, StoredCursor>();
    for (const user of change.cursors.keys()) {
      const key = keys.cursor(id, user);
      const stored = await this.#kv.get(key);
      if (stored) cursors.set(user, cursorOf(key, stored));
    }
    const kind = change.group && exists ? await this.#kindOf(id) : null;
    const invite = change.invite && (await this.#invite(change.invite.code));
    return { exists, head, cursors, inboxAt, kind, invite };
  }

  #remember(change: LogChange, lastStamp: number): void {
    const known = this.#known.get(change.conversationId) ?? { head: 0, inboxAt: new Map() };
    known.head = change.expectedHead + change.entries.length;
    if (change.events > 0) for (const user of change.noted) known.inboxAt.set(user, lastStamp);
    this.#known.set(change.conversationId, known);
  }

  async #entry(id: ConversationId, seq: number): Promise<SequencedEntry | null> {
    const key = keys.entry(id, seq);
    const stored = await this.#kv.get(key);
    return stored ? { seq, ...rows.entry.decode(key, stored) } : null;
  }

  async #kindOf(id: ConversationId): Promise<ConversationKind | null> {
    const key = keys.conversation(id);
    const stored = await this.#kv.get(key);
    return stored ? rows.conversation.decode(key, stored).kind : null;
  }

  async #invite(code: string): Promise<StoredInvite | null> {
    const stored = await this.#kv.get(keys.invite(code));
    return stored ? rows.invite.decode(keys.invite(code), stored) : null;
  }

  async #first(id: ConversationId): Promise<number> {
    return (await this.#number(keys.first(id))) || 1;
  }

  #forget(): void {
    this.#known.clear();
    this.#stamp = null;
  }

  async #number(key: string): Promise<number> {
    const stored = await this.#kv.get(key);
    return stored ? rows.number.decode(key, stored) : 0;
  }
}
