import { DovetailError, type ErrorCode } from "../../../shared/errors.js";
import type { ConversationId, UserId } from "../../../shared/ids.js";
import { RECOVERY_MS } from "../../core/bounds.js";
import type {
  Directory,
  InviteStore,
  LogChange,
  LogOutcome,
  LogStore,
  RelayStore,
  StoredInvite,
} from "../../core/ports.js";
import { type DirectoryFolder, directoryMethods, type Folder } from "./folder.js";
import { FOLDERS, folderOf } from "./folders.js";
import type { Note } from "./inbox-shard.js";

/** All folders, each here or in another process. */
export interface Folders {
  folder(index: number): Folder;
  readonly directory: DirectoryFolder;
  /** Those that this process has. */
  readonly own: readonly number[];
}

const all = Array.from({ length: FOLDERS }, (_, index) => index);

/** Notes for the users of one folder. */
export type FolderNotes = readonly [folder: number, notes: readonly Note[]];

/** The parts of each note by the folder that its users' inboxes are in. */
export function byFolder(notes: readonly Note[]): FolderNotes[] {
  const folders = new Map<number, Note[]>();
  for (const { users, ...note } of notes) {
    const parts = new Map<number, Map<UserId, boolean | null>>();
    for (const [user, member] of users) {
      const index = folderOf(user);
      parts.set(index, (parts.get(index) ?? new Map()).set(user, member));
    }
    for (const [index, some] of parts) {
      const others = folders.get(index);
      const part = { ...note, users: some };
      if (others) others.push(part);
      else folders.set(index, [part]);
    }
  }
  return [...folders];
}

/** Those that have users in one of these folders. */
export const notesIn = (notes: readonly Note[], isOne: (folder: number) => boolean): Note[] =>
  notes.filter(({ users }) => [...users.keys()].some((user) => isOne(folderOf(user))));

/**
 * The tables of a relay in a fixed number of folders: a conversation's log in one, a user's inbox in
 * one, and the directory in one of its own. Stamps are ordered for each user and not for all, so it
 * needs a relay that tells none with its pushes, as one with a bus does.
 */
export class ShardedRelayStore implements RelayStore {
  readonly logs: LogStore;
  readonly invites: InviteStore;
  readonly directory: Directory;

  constructor(folders: Folders) {
    this.logs = new ShardedLogs(folders);
    this.invites = new ShardedInvites(folders);
    this.directory = directoryOf(folders);
  }
}

/** Asked anew each time which process has it, and with its codes, which are a table of their own there. */
function directoryOf(folders: Folders): Directory {
  const methods = directoryMethods.directory.map((name) => [
    name,
    (...args: unknown[]) => {
      const { directory } = folders.directory;
      return (directory[name] as (...args: unknown[]) => unknown).apply(directory, args);
    },
  ]);
  return { ...Object.fromEntries(methods), codes: folders.directory.codes };
}

class ShardedLogs implements LogStore {
  readonly #folders: Folders;

  constructor(folders: Folders) {
    this.#folders = folders;
  }

  conversation: LogStore["conversation"] = (id) => this.#at(id).logs.conversation(id);
  lastN: LogStore["lastN"] = (id, device) => this.#at(id).logs.lastN(id, device);
  entries: LogStore["entries"] = (id, from, limit) => this.#at(id).logs.entries(id, from, limit);
  digest: LogStore["digest"] = (id, block) => this.#at(id).logs.digest(id, block);
  keepDigest: LogStore["keepDigest"] = (id, block, digest) =>
    this.#at(id).logs.keepDigest(id, block, digest);
  byOrigin: LogStore["byOrigin"] = (id, device, fromN, toN) =>
    this.#at(id).logs.byOrigin(id, device, fromN, toN);
  spans: LogStore["spans"] = (id, user) => this.#at(id).logs.spans(id, user);
  allSpans: LogStore["allSpans"] = (id) => this.#at(id).logs.allSpans(id);
  trim: LogStore["trim"] = (id, first) => this.#at(id).logs.trim(id, first);
  groupsOf: LogStore["groupsOf"] = (user) => this.#at(user).inboxes.groupsOf(user);
  changes: LogStore["changes"] = (user, after, limit) =>
    this.#at(user).inboxes.changes(user, after, limit);
  newestStamp: LogStore["newestStamp"] = (user) => this.#at(user).inboxes.newestStamp(user);

  async commit(changes: readonly LogChange[]): Promise<readonly LogOutcome[]> {
    const outcomes = changes.map((): LogOutcome => null);
    const places = new Map<number, number[]>();
    for (const [i, { conversationId }] of changes.entries()) {
      const index = folderOf(conversationId);
      places.set(index, [...(places.get(index) ?? []), i]);
    }
    await Promise.all(
      [...places].map(async ([index, some]) => {
        const part = some.map((i) => changes[i] as LogChange);
        const held = await this.#committed(index, part);
        some.forEach((i, at) => {
          outcomes[i] = held[at] ?? null;
        });
      }),
    );
    return outcomes;
  }

  /** A folder that fails does not fail the others. */
  async #committed(index: number, part: readonly LogChange[]): Promise<readonly LogOutcome[]> {
    try {
      const held = await this.#folders.folder(index).logs.commit(part);
      return held.map((each): LogOutcome => {
        if (typeof each === "string") return { failed: failure(each) };
        return each ? { firstStamp: 0 } : null;
      });
    } catch (error) {
      const failed = DovetailError.from(error);
      return part.map(() => ({ failed }));
    }
  }

  /** Of every folder its share of them, and more of those that have more. */
  async eraseExpired(now: number, limit: number): Promise<number> {
    let erased = 0;
    for (const index of all) {
      if (erased >= limit) break;
      erased += await this.#folders.folder(index).logs.eraseExpired(now, limit - erased);
    }
    return erased;
  }

  /** Folder by folder. */
  async conversationsAfter(
    id: ConversationId | null,
    limit: number,
  ): Promise<readonly ConversationId[]> {
    const found: ConversationId[] = [];
    const begin = id ? folderOf(id) : 0;
    for (const index of all.slice(begin)) {
      const { logs } = this.#folders.folder(index);
      const after = index === begin ? id : null;
      found.push(...(await logs.conversationsAfter(after, limit - found.length)));
      if (found.length >= limit) break;
    }
    return found;
  }

  /** Of the own ones: of the others their processes know. */
  async checkWritable(): Promise<void> {
    const { own } = this.#folders;
    await Promise.all(own.map((index) => this.#folders.folder(index).logs.checkWritable()));
  }

  #at(id: ConversationId | UserId): Folder {
    return this.#folders.folder(folderOf(id));
  }
}

const failure = (code: ErrorCode): DovetailError =>
  new DovetailError(code, undefined, { retryAfterMs: RECOVERY_MS });

class ShardedInvites implements InviteStore {
  readonly #folders: Folders;

  constructor(folders: Folders) {
    this.#folders = folders;
  }

  async find(code: string): Promise<StoredInvite | null> {
    const id = await this.#folders.directory.links.placeOf(code);
    return id && this.#at(id).find(code);
  }

  of(id: ConversationId): Promise<readonly StoredInvite[]> {
    return this.#at(id).of(id);
  }

  async add(
    invite: StoredInvite,
    max: number,
    dead: (invite: StoredInvite) => boolean,
  ): Promise<StoredInvite | "too_many_invites"> {
    const { conversationId: id, code } = invite;
    const known = await this.find(code);
    if (known) return known;
    const gone = (await this.of(id)).filter(dead).map((each) => each.code);
    // First: an invite that is there and not found by its code would count and be of no use.
    await this.#folders.directory.links.place(code, id);
    return this.#at(id).add(invite, max, gone);
  }

  remove(id: ConversationId, code: string): Promise<void> {
    return this.#at(id).remove(id, code);
  }

  #at(id: ConversationId) {
    return this.#folders.folder(folderOf(id)).invites;
  }
}
