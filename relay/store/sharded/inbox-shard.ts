import type { ConversationId, UserId } from "../../../shared/ids.js";
import { fromSortable, type KeyValue, under, type Write } from "../../../shared/key-value.js";
import { MAX_CACHED_CONVERSATIONS, MAX_CACHED_INBOXES } from "../../core/bounds.js";
import { Lru } from "../../core/lru.js";
import { memberWrites, noteWrites } from "../log-commit.js";
import { keys, rows } from "../rows.js";

/** A change of a log, for the users of one folder whom it concerns. */
export interface Note {
  readonly conversationId: ConversationId;
  /** Of the log, with the change: who was a member at an older one may not be any more. */
  readonly head: number;
  /** Whether they are members of a group from now on; null where that stays. */
  readonly users: ReadonlyMap<UserId, boolean | null>;
}

export interface Found {
  readonly stamp: number;
  readonly conversationId: ConversationId;
}

interface Waiting {
  readonly notes: readonly Note[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** The inboxes of the users of one folder. A stamp is newer than all that were given in that folder. */
export class InboxShard {
  readonly #kv: KeyValue;
  #waiting: Waiting[] = [];
  #running = false;
  #stamp: number | null = null;
  /** By user and conversation. */
  readonly #inboxAt = new Lru<string, number>(MAX_CACHED_CONVERSATIONS);
  /**
   * Of the newest change of members that was noted here. An older one comes after it only out of the
   * connection of a process that is gone, within moments: it need not outlive this one.
   */
  readonly #heads = new Lru<ConversationId, number>(MAX_CACHED_CONVERSATIONS);
  /** Of each inbox, in which most find nothing new each time that they look. Only this process writes to it. */
  readonly #newest = new Lru<UserId, number>(MAX_CACHED_INBOXES);
  /** Writes that have ended, whichever way. */
  #written = 0;

  constructor(kv: KeyValue) {
    this.#kv = kv;
  }

  /** Durable when it resolves. What is noted a second time is a change once more and does no harm. */
  note(notes: readonly Note[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ notes, resolve, reject });
      if (!this.#running) void this.#run();
    });
  }

  async groupsOf(user: UserId): Promise<readonly ConversationId[]> {
    const found = await this.#kv.range(under(keys.groupsOf(user)));
    return found.map(({ key, value }) => rows.conversationId.decode(key, value));
  }

  async changes(user: UserId, after: number, limit: number): Promise<readonly Found[]> {
    if ((this.#newest.get(user) ?? Number.POSITIVE_INFINITY) <= after) return [];
    const from = keys.inbox(user, after + 1);
    const found = await this.#kv.range({ from, to: under(`inbox/${user}/`).to, limit });
    return found.map(({ key, value }) => ({
      stamp: stampIn(key),
      conversationId: rows.conversationId.decode(key, value),
    }));
  }

  async newestStamp(user: UserId): Promise<number> {
    const known = this.#newest.get(user);
    if (known !== undefined) return known;
    const written = this.#written;
    const all = under(`inbox/${user}/`);
    const [found] = await this.#kv.range({ ...all, reverse: true, limit: 1 });
    const newest = found ? stampIn(found.key) : 0;
    // What was written while it was read may be newer.
    if (written === this.#written) this.#newest.set(user, newest);
    return newest;
  }

  /** While one write is running, everything that comes is collected into the next. */
  async #run(): Promise<void> {
    this.#running = true;
    for (let some = this.#waiting; some.length > 0; some = this.#waiting) {
      this.#waiting = [];
      try {
        await this.#note(some.flatMap(({ notes }) => notes));
        for (const { resolve } of some) resolve();
      } catch (error) {
        this.#stamp = null;
        this.#inboxAt.clear();
        this.#newest.clear();
        this.#written += 1;
        for (const { reject } of some) reject(error);
      }
    }
    this.#running = false;
  }

  async #note(notes: readonly Note[]): Promise<void> {
    let stamp = this.#stamp ?? (await this.#number(keys.stamp));
    // One user may be in several of the notes, and one conversation in two.
    const inboxAt = new Map<string, number>();
    const pairs = notes.flatMap(({ conversationId, users }) =>
      [...users.keys()].map((user) => [user, conversationId] as const),
    );
    await Promise.all(
      pairs.map(async ([user, id]) => {
        const key = keys.inboxAt(user, id);
        inboxAt.set(key, this.#inboxAt.get(key) ?? (await this.#number(key)));
      }),
    );
    const newest = new Map<UserId, number>();
    const writes: Write[] = [];
    for (const { conversationId: id, head, users } of notes) {
      stamp += 1;
      const isNewest = head >= (this.#heads.get(id) ?? 0);
      for (const [user, member] of users) {
        const key = keys.inboxAt(user, id);
        writes.push(...noteWrites(user, id, inboxAt.get(key) ?? 0, stamp));
        inboxAt.set(key, stamp);
        newest.set(user, stamp);
        if (member !== null && isNewest) writes.push(...memberWrites(user, id, member));
      }
      if (isNewest && [...users.values()].some((member) => member !== null)) {
        this.#heads.set(id, head);
      }
    }
    writes.push({ type: "put", key: keys.stamp, value: rows.number.encode(stamp) });
    await this.#kv.batch(writes);
    this.#stamp = stamp;
    for (const [key, at] of inboxAt) this.#inboxAt.set(key, at);
    for (const [user, at] of newest) this.#newest.set(user, at);
    this.#written += 1;
  }

  async #number(key: string): Promise<number> {
    const stored = await this.#kv.get(key);
    return stored ? rows.number.decode(key, stored) : 0;
  }
}

const stampIn = (key: string): number => fromSortable(key.slice(key.lastIndexOf("/") + 1));
