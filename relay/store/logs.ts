import type { ConversationId, DeviceId, UserId } from "../../shared/ids.js";
import { fromSortable, type KeyValue, under, type Write } from "../../shared/key-value.js";
import type { SequencedEntry } from "../../shared/protocol.js";
import { MAX_CACHED_CONVERSATIONS } from "../core/bounds.js";
import { Lru } from "../core/lru.js";
import type { Cursor, LogChange, LogOutcome, LogStore, StoredConversation } from "../core/ports.js";
import { type Before, writesOf } from "./log-commit.js";
import { keys, rows } from "./rows.js";
import { Serial } from "./serial.js";

/** What was last committed, so that a commit need not read it again. */
interface Known {
  head: number;
  readonly inboxAt: Map<UserId, number>;
}

const lastPart = (key: string): string => key.slice(key.lastIndexOf("/") + 1);

/**
 * The condition of a commit is checked in this process, so a key-value store may have one of these
 * only. (LevelDB's lock sees to that between processes.)
 */
export class KvLogStore implements LogStore {
  readonly #kv: KeyValue;
  readonly #serial = new Serial();
  readonly #known = new Lru<ConversationId, Known>(MAX_CACHED_CONVERSATIONS);
  /** The newest stamp given; null until read. */
  #stamp: number | null = null;

  constructor(kv: KeyValue) {
    this.#kv = kv;
  }

  async conversation(id: ConversationId): Promise<StoredConversation | null> {
    const key = keys.conversation(id);
    const stored = await this.#kv.get(key);
    if (!stored) return null;
    // Before the head, so that a commit in between leaves no cursor beyond it.
    const cursorRows = await this.#kv.range(under(keys.cursors(id)));
    const cursors = new Map(
      cursorRows.map((row) => [
        lastPart(row.key) as UserId,
        rows.cursor.decode(row.key, row.value),
      ]),
    );
    return {
      ...rows.conversation.decode(key, stored),
      head: await this.#number(keys.head(id)),
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

  async byOrigin(
    id: ConversationId,
    device: DeviceId,
    fromN: number,
    toN: number,
  ): Promise<readonly SequencedEntry[]> {
    const found = await this.#kv.range({
      from: keys.origin(id, device, fromN),
      to: keys.origin(id, device, toN),
    });
    const entries = await Promise.all(
      found.map(({ key, value }) => this.entries(id, rows.number.decode(key, value), 1)),
    );
    return entries.flat();
  }

  async changes(
    user: UserId,
    after: number,
    limit: number,
  ): Promise<readonly { stamp: number; conversationId: ConversationId }[]> {
    const found = await this.#kv.range({
      from: keys.inbox(user, after + 1),
      to: under(`inbox/${user}/`).to,
      limit,
    });
    return found.map(({ key, value }) => ({
      stamp: fromSortable(lastPart(key)),
      conversationId: rows.conversationId.decode(key, value),
    }));
  }

  async newestStamp(user: UserId): Promise<number> {
    const [newest] = await this.#kv.range({
      ...under(`inbox/${user}/`),
      reverse: true,
      limit: 1,
    });
    return newest ? fromSortable(lastPart(newest.key)) : 0;
  }

  commit(changes: readonly LogChange[]): Promise<readonly LogOutcome[]> {
    return this.#serial.run(() => this.#commit(changes));
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
      const holds = before.head === change.expectedHead && before.exists === !change.opens;
      if (!holds) return null;
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
      for (const user of change.members) {
        const at = known?.inboxAt.get(user) ?? (await this.#number(keys.inboxAt(user, id)));
        inboxAt.set(user, at);
      }
    }
    const cursors = new Map<UserId, Cursor>();
    for (const user of change.cursors.keys()) {
      const key = keys.cursor(id, user);
      const stored = await this.#kv.get(key);
      if (stored) cursors.set(user, rows.cursor.decode(key, stored));
    }
    return { exists, head, cursors, inboxAt };
  }

  #remember(change: LogChange, lastStamp: number): void {
    const known = this.#known.get(change.conversationId) ?? { head: 0, inboxAt: new Map() };
    known.head = change.expectedHead + change.entries.length;
    if (change.events > 0) for (const user of change.members) known.inboxAt.set(user, lastStamp);
    this.#known.set(change.conversationId, known);
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
