import { DovetailError } from "../../../shared/errors.js";
import type { ConversationId, UserId } from "../../../shared/ids.js";
import { Lru } from "../../core/lru.js";
import { FIRST_LEAP, MAX_CACHED_STAMPS, MAX_TRIES_MS } from "./bounds.js";
import type { Database } from "./database.js";
import type { Row, Statement } from "./statement.js";
import { contended, tries } from "./tries.js";

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
  /** Null where there is none. */
  readonly newest: number | null;
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

  /**
   * The first stamp of each note, in their order, or why not all of its users may have it. A note that
   * meets other writers gets later stamps than those after it. One call at a time.
   */
  async note(notes: readonly Note[]): Promise<readonly (number | DovetailError)[]> {
    const results = new Map<Note, number | DovetailError>();
    const inboxes = new Map<UserId, Inbox>();
    const failed = new Map<UserId, DovetailError>();
    const tried = async (user: UserId, operation: () => Promise<unknown>): Promise<void> => {
      try {
        await operation();
      } catch (error) {
        failed.set(user, DovetailError.from(error));
        this.#newest.delete(user);
      }
    };
    const read = async (user: UserId, newest: number | null): Promise<void> => {
      inboxes.set(user, { newest, versions: await this.#versions(user, notes) });
    };
    const until = performance.now() + MAX_TRIES_MS;
    let left = notes;
    await Promise.all(
      usersOf(left).map(async (user) => {
        const newest = this.#newest.get(user);
        if (newest === undefined) {
          return tried(user, async () => read(user, await this.#newestOf(user)));
        }
        // Where nobody has written since, what is there is older than these changes.
        inboxes.set(user, { newest, versions: new Map() });
      }),
    );
    for await (const count of tries()) {
      left = left.filter((note) => {
        const error = [...note.users.keys()].map((user) => failed.get(user)).find(Boolean);
        if (error) results.set(note, error);
        return !error;
      });
      if (left.length === 0) break;
      // Whoever leaps further than the others that it met has to give way to none of them.
      const leap = count === 0 ? 0 : Math.floor(Math.random() * FIRST_LEAP * 2 ** (count - 1));
      let stamp = leap + Math.max(0, ...[...inboxes.values()].map(({ newest }) => newest ?? 0));
      const stamped = left.map((note) => {
        const first = stamp + 1;
        stamp += note.events;
        return { note, first, last: stamp };
      });
      const written = new Set<UserId>();
      await Promise.all(
        usersOf(left).map((user) =>
          tried(user, async () => {
            const mine = stamped.filter(({ note }) => note.users.has(user));
            const [{ first }] = mine as [(typeof mine)[0]];
            do {
              const inbox = inboxes.get(user) ?? { newest: null, versions: new Map() };
              const outcome = await this.#database.cas(statements(user, inbox, mine));
              if (outcome !== "unknown" && outcome.applied) {
                const newest = mine.at(-1)?.last ?? inbox.newest ?? 0;
                inboxes.set(user, { newest, versions: inbox.versions });
                this.#newest.set(user, newest);
                written.add(user);
                return;
              }
              const newest =
                outcome === "unknown" ? await this.#newestOf(user) : newestIn(outcome.row);
              await read(user, newest);
              // Below the stamps of these notes they may still be written; above, all users get others.
              if (newest !== null && newest >= first) return;
            } while (performance.now() < until);
          }),
        ),
      );
      left = stamped
        .filter(({ note, first }) => {
          const all = [...note.users.keys()].every((user) => written.has(user));
          if (all) results.set(note, first);
          return !all;
        })
        .map(({ note }) => note);
    }
    return notes.map((note) => results.get(note) ?? contended("An inbox is written by too many."));
  }

  /** What of the note is not there yet; null where all is. */
  async missing(note: Note): Promise<Note | null> {
    const found = await Promise.all(
      [...note.users].map(async ([user, member]) => {
        // The stamp first, which completes what was under way: what is read then is as new or newer.
        await this.#newestOf(user);
        const versions = await this.#versions(user, [note]);
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
    return (await this.#newestOf(user)) ?? 0;
  }

  async groupsOf(user: UserId): Promise<readonly ConversationId[]> {
    const query = "SELECT conversation, member FROM inbox WHERE user = ?";
    const rows = await this.#database.all(query, [user]);
    return rows.filter((row) => row.member).map((row) => row.conversation as ConversationId);
  }

  forget(): void {
    this.#newest.clear();
  }

  async #newestOf(user: UserId): Promise<number | null> {
    const query = "SELECT newest FROM inbox WHERE user = ? LIMIT 1";
    return newestIn(await this.#database.one(query, [user], true));
  }

  /** Of the logs that the notes are about. */
  async #versions(
    user: UserId,
    notes: readonly Note[],
  ): Promise<ReadonlyMap<ConversationId, number>> {
    const wanted = notes.filter(({ users }) => users.has(user));
    const ids = [...new Set(wanted.map(({ conversationId }) => conversationId))];
    const rows = await this.#database.all(
      "SELECT conversation, version FROM inbox WHERE user = ? AND conversation IN ?",
      [user, ids],
    );
    return new Map(
      rows.map((row) => [row.conversation as ConversationId, Number(row.version ?? 0)]),
    );
  }
}

const newestIn = (row: Row | null): number | null =>
  row === null || row.newest === null || row.newest === undefined ? null : Number(row.newest);

const usersOf = (notes: readonly Note[]): UserId[] => [
  ...new Set(notes.flatMap(({ users }) => [...users.keys()])),
];

function statements(
  user: UserId,
  inbox: Inbox,
  stamped: readonly { readonly note: Note; readonly last: number }[],
): Statement[] {
  const newest = stamped.at(-1)?.last ?? inbox.newest;
  // An inbox that was copied from another store may be there and be at 0.
  const condition = inbox.newest === null ? "IF newest = null" : "IF newest = ?";
  return [
    {
      query: `UPDATE inbox SET newest = ? WHERE user = ? ${condition}`,
      params: [newest, user, ...(inbox.newest === null ? [] : [inbox.newest])],
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
