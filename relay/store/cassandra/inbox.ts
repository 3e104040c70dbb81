import { DovetailError } from "../../../shared/errors.js";
import type { ConversationId, UserId } from "../../../shared/ids.js";
import { Lru } from "../../core/lru.js";
import { MAX_CACHED_STAMPS, MAX_TRIES } from "./bounds.js";
import type { Database, Statement } from "./database.js";

/** A change of a log that its users are to find. */
export interface Note {
  readonly conversationId: ConversationId;
  /** Of the log, with this change: an older note does not undo a newer one. */
  readonly version: number;
  /** Whether they are members of a group from now on; null where that stays. */
  readonly users: ReadonlyMap<UserId, boolean | null>;
  readonly events: number;
}

interface Inbox {
  readonly newest: number;
  readonly versions: ReadonlyMap<ConversationId, number>;
}

/**
 * One partition per user, with one row per conversation that each change overwrites. A stamp is newer
 * than all that its users have, by a condition in each one's partition: so no user can be told a stamp
 * and later get an older one, and no counter is shared by all.
 */
export class Inboxes {
  readonly #database: Database;
  readonly #newest = new Lru<UserId, number>(MAX_CACHED_STAMPS);

  constructor(database: Database) {
    this.#database = database;
  }

  /** The first stamp of each note, in their order. One at a time. */
  async note(notes: readonly Note[]): Promise<readonly number[]> {
    const users = [...new Set(notes.flatMap((note) => [...note.users.keys()]))];
    const inboxes = new Map<UserId, Inbox>();
    const read = async (user: UserId) => {
      inboxes.set(user, await this.#read(user, notes));
    };
    await Promise.all(
      users.map(async (user) => {
        const newest = this.#newest.get(user);
        if (newest === undefined) return read(user);
        // Where nobody has written since, what is there is older than these changes.
        inboxes.set(user, { newest, versions: new Map() });
      }),
    );
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      let stamp = Math.max(0, ...[...inboxes.values()].map(({ newest }) => newest));
      const stamped = notes.map((note) => {
        const first = stamp + 1;
        stamp += note.events;
        return { note, first, last: stamp };
      });
      const written = await Promise.all(
        users.map(async (user) => {
          const mine = stamped.filter(({ note }) => note.users.has(user));
          const inbox = inboxes.get(user) ?? { newest: 0, versions: new Map() };
          const outcome = await this.#database.cas(statements(user, inbox, mine));
          if (outcome === "unknown" || !outcome.applied) {
            await read(user);
            return false;
          }
          const newest = mine.at(-1)?.last ?? inbox.newest;
          inboxes.set(user, { newest, versions: inbox.versions });
          this.#newest.set(user, newest);
          return true;
        }),
      );
      if (written.every(Boolean)) return stamped.map(({ first }) => first);
    }
    throw new DovetailError("storage_failed", "The inboxes are written by too many at once.");
  }

  /** What of the note is not there yet; null where all is. */
  async missing(note: Note): Promise<Note | null> {
    const found = await Promise.all(
      [...note.users].map(async ([user, member]) => {
        const { versions } = await this.#read(user, [note]);
        const there = (versions.get(note.conversationId) ?? 0) >= note.version;
        return there ? null : ([user, member] as const);
      }),
    );
    const users = new Map(found.filter((each) => each !== null));
    return users.size > 0 ? { ...note, users } : null;
  }

  /** Oldest change first. */
  async changes(user: UserId, after: number, limit: number) {
    if ((await this.newestStamp(user)) <= after) return [];
    const rows = await this.#database.all("SELECT conversation, stamp FROM inbox WHERE user = ?", [
      user,
    ]);
    return rows
      .map((row) => ({
        stamp: Number(row.stamp ?? 0),
        conversationId: row.conversation as ConversationId,
      }))
      .filter(({ stamp }) => stamp > after)
      .sort((a, b) => a.stamp - b.stamp)
      .slice(0, limit);
  }

  async newestStamp(user: UserId): Promise<number> {
    const query = "SELECT newest FROM inbox WHERE user = ? LIMIT 1";
    return Number((await this.#database.one(query, [user], true))?.newest ?? 0);
  }

  async groupsOf(user: UserId): Promise<readonly ConversationId[]> {
    const query = "SELECT conversation, member FROM inbox WHERE user = ?";
    const rows = await this.#database.all(query, [user]);
    return rows.filter((row) => row.member).map((row) => row.conversation as ConversationId);
  }

  forget(): void {
    this.#newest.clear();
  }

  /** The stamp first, which completes what was under way: what is read then is of that stamp or newer. */
  async #read(user: UserId, notes: readonly Note[]): Promise<Inbox> {
    const newest = await this.newestStamp(user);
    const versions = new Map<ConversationId, number>();
    for (const { conversationId: id, users } of notes) {
      if (!users.has(user)) continue;
      const query = "SELECT version FROM inbox WHERE user = ? AND conversation = ?";
      const row = await this.#database.one(query, [user, id]);
      if (row) versions.set(id, Number(row.version ?? 0));
    }
    return { newest, versions };
  }
}

function statements(
  user: UserId,
  inbox: Inbox,
  stamped: readonly { readonly note: Note; readonly last: number }[],
): Statement[] {
  const newest = stamped.at(-1)?.last ?? inbox.newest;
  const condition = inbox.newest > 0 ? "IF newest = ?" : "IF newest = null";
  return [
    {
      query: `UPDATE inbox SET newest = ? WHERE user = ? ${condition}`,
      params: [newest, user, ...(inbox.newest > 0 ? [inbox.newest] : [])],
    },
    ...stamped.flatMap(({ note: { conversationId: id, version, users }, last }): Statement[] => {
      const written: Statement[] = [
        {
          query: "UPDATE inbox SET stamp = ? WHERE user = ? AND conversation = ?",
          params: [last, user, id],
        },
      ];
      if ((inbox.versions.get(id) ?? 0) > version) return written;
      written.push({
        query: "UPDATE inbox SET version = ? WHERE user = ? AND conversation = ?",
        params: [version, user, id],
      });
      const member = users.get(user) ?? null;
      if (member !== null) {
        written.push({
          query: "UPDATE inbox SET member = ? WHERE user = ? AND conversation = ?",
          params: [member, user, id],
        });
      }
      return written;
    }),
  ];
}
