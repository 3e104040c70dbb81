import { DovetailError } from "../../shared/errors.js";
import type { ConversationId, UserId } from "../../shared/ids.js";
import { fromSortable, under, type Write } from "../../shared/key-value.js";
import { MAX_CACHED_CONVERSATIONS } from "../core/bounds.js";
import { Lru } from "../core/lru.js";
import type { LogChange, LogOutcome, LogStore } from "../core/ports.js";
import { holds, inboxWrites, logWrites } from "./log-commit.js";
import { LogTables, lastPart } from "./log-tables.js";
import { keys, rows } from "./rows.js";

/** What was last committed, so that a commit need not read it again. */
interface Known {
  head: number;
  readonly inboxAt: Map<UserId, number>;
}

interface Note {
  readonly stamp: number;
  readonly conversationId: ConversationId;
}

/**
 * The condition of a commit is checked in this process, so a key-value store may have one of these
 * only. (LevelDB's lock sees to that between processes.)
 */
export class KvLogStore extends LogTables implements LogStore {
  readonly #known = new Lru<ConversationId, Known>(MAX_CACHED_CONVERSATIONS);
  /** The newest stamp given; null until read. */
  #stamp: number | null = null;

  async groupsOf(user: UserId): Promise<readonly ConversationId[]> {
    const found = await this.kv.range(under(keys.groupsOf(user)));
    return found.map(({ key, value }) => rows.conversationId.decode(key, value));
  }

  async changes(user: UserId, after: number, limit: number): Promise<readonly Note[]> {
    const crowds = (await this.#crowdsOf(user)).filter(({ stamp }) => stamp > after);
    const stamps = new Map(crowds.map(({ conversationId, stamp }) => [conversationId, stamp]));
    const found = await this.kv.range({
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
    const [newest] = await this.kv.range({
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
    const found = await this.kv.range(under(keys.crowdsOf(user)));
    return Promise.all(
      found.map(async ({ key, value }) => {
        const conversationId = rows.conversationId.decode(key, value);
        return { conversationId, stamp: await this.number(keys.crowdAt(conversationId)) };
      }),
    );
  }

  commit(changes: readonly LogChange[]): Promise<readonly LogOutcome[]> {
    return this.serial.run(() => this.#commit(changes));
  }

  protected forget(): void {
    this.#known.clear();
    this.#stamp = null;
  }

  async #commit(changes: readonly LogChange[]): Promise<readonly LogOutcome[]> {
    const befores = await Promise.all(changes.map((change) => this.#beforeOf(change)));
    let stamp = this.#stamp ?? (await this.number(keys.stamp));
    const writes: Write[] = [];
    const outcomes = changes.map((change, i): LogOutcome => {
      const known = befores[i] as (typeof befores)[number];
      if (known instanceof DovetailError) return { failed: known };
      const { before, inboxAt } = known;
      if (!holds(change, before)) return null;
      const firstStamp = stamp + 1;
      stamp += change.events;
      writes.push(...logWrites(change, before), ...inboxWrites(change, inboxAt, stamp));
      return { firstStamp };
    });
    if (writes.length === 0) return outcomes;
    writes.push({ type: "put", key: keys.stamp, value: rows.number.encode(stamp) });
    try {
      await this.kv.batch(writes);
    } catch (error) {
      this.forget();
      throw error;
    }
    this.#stamp = stamp;
    changes.forEach((change, i) => {
      const outcome = outcomes[i];
      if (outcome && "firstStamp" in outcome)
        this.#remember(change, outcome.firstStamp + change.events - 1);
    });
    return outcomes;
  }

  /** What cannot be read of one conversation is nothing to the others. */
  async #beforeOf(change: LogChange) {
    try {
      const known = this.#known.get(change.conversationId);
      const before = await this.before(change, known?.head ?? null);
      return { before, inboxAt: await this.#inboxAt(change, before.exists) };
    } catch (error) {
      return DovetailError.from(error);
    }
  }

  /** The stamp of each noted user's inbox row for the conversation; 0 where there is none. */
  async #inboxAt(change: LogChange, exists: boolean): Promise<ReadonlyMap<UserId, number>> {
    const id = change.conversationId;
    if (change.events === 0 || !exists) return new Map();
    const known = this.#known.get(id)?.inboxAt;
    const stamps = change.noted.map(
      async (user) =>
        [user, known?.get(user) ?? (await this.number(keys.inboxAt(user, id)))] as const,
    );
    return new Map(await Promise.all(stamps));
  }

  #remember(change: LogChange, lastStamp: number): void {
    const known = this.#known.get(change.conversationId) ?? { head: 0, inboxAt: new Map() };
    known.head = change.expectedHead + change.entries.length;
    if (change.events > 0) for (const user of change.noted) known.inboxAt.set(user, lastStamp);
    this.#known.set(change.conversationId, known);
  }
}
