import { DovetailError } from "../../../shared/errors.js";
import type { ConversationId, UserId } from "../../../shared/ids.js";
import { type KeyValue, under, type Write } from "../../../shared/key-value.js";
import type { SequencedEntry } from "../../../shared/protocol.js";
import { MAX_CACHED_CONVERSATIONS, RECOVERY_MS } from "../../core/bounds.js";
import { Lru } from "../../core/lru.js";
import type { LogChange, StoredConversation } from "../../core/ports.js";
import { type Before, holds, logWrites } from "../log-commit.js";
import { LogTables } from "../log-tables.js";
import { keys, rows } from "../rows.js";
import type { Serial } from "../serial.js";
import type { Note } from "./inbox-shard.js";

/** Brings notes to the inboxes, which stand elsewhere; resolves when all of them are durable. */
export type Tell = (notes: readonly Note[]) => Promise<void>;

/**
 * The logs of one folder. A change is written with the list of those whom it concerns; then they are
 * told, and only then it counts as committed. A list that nobody carried out is carried out before
 * anything else of its log is given out.
 */
export class LogShard extends LogTables {
  readonly #tell: Tell;
  readonly #heads = new Lru<ConversationId, number>(MAX_CACHED_CONVERSATIONS);
  /** Of changes that are written and whose users may not know of them. */
  readonly #untold = new Map<ConversationId, Note>();
  /** Whose lists can go with the next batch. */
  readonly #told = new Set<ConversationId>();

  private constructor(kv: KeyValue, serial: Serial, tell: Tell) {
    super(kv, serial);
    this.#tell = tell;
  }

  static async open(kv: KeyValue, serial: Serial, tell: Tell): Promise<LogShard> {
    const shard = new LogShard(kv, serial, tell);
    // As many as the last commits had, because each batch takes those of the one before away.
    for (const { key, value } of await kv.range(under(keys.pendings))) {
      const note = noteOf(key.slice(keys.pendings.length) as ConversationId, value);
      shard.#untold.set(note.conversationId, note);
    }
    return shard;
  }

  override async conversation(id: ConversationId): Promise<StoredConversation | null> {
    const note = this.#untold.get(id);
    // Not while a commit is under way, which does it itself.
    if (note) await this.serial.run(() => this.#tellLeft([id])).catch(refused);
    return super.conversation(id);
  }

  /** Without a look at the disk where nothing more can be: nobody else writes here. */
  override async entries(
    id: ConversationId,
    fromSeq: number,
    limit: number,
  ): Promise<readonly SequencedEntry[]> {
    const head = this.#heads.get(id);
    return head !== undefined && fromSeq > head ? [] : super.entries(id, fromSeq, limit);
  }

  /** For each change whether its condition held. */
  commit(changes: readonly LogChange[]): Promise<readonly boolean[]> {
    return this.serial.run(async () => {
      try {
        return await this.#commit(changes);
      } catch (error) {
        this.forget();
        throw error;
      }
    });
  }

  /** Tells those whom an earlier process wrote about and did not tell. */
  tellAllLeft(): Promise<void> {
    return this.serial.run(() => this.#tellLeft([...this.#untold.keys()]));
  }

  protected forget(): void {
    this.#heads.clear();
  }

  async #commit(changes: readonly LogChange[]): Promise<readonly boolean[]> {
    await this.#tellLeft(changes.map(({ conversationId }) => conversationId));
    const befores = await Promise.all(
      changes.map((change) => this.before(change, this.#heads.get(change.conversationId) ?? null)),
    );
    const held = changes.map((change, i) => holds(change, befores[i] as Before));
    const writes: Write[] = [];
    const notes: Note[] = [];
    const takenAway = new Set(this.#told);
    for (const [i, change] of changes.entries()) {
      if (!held[i]) continue;
      const { conversationId: id } = change;
      writes.push(...logWrites(change, befores[i] as Before));
      takenAway.delete(id);
      const users = await this.#concerned(change);
      if (users.size === 0) continue;
      const note = { conversationId: id, head: change.expectedHead + change.entries.length, users };
      notes.push(note);
      writes.push({ type: "put", key: keys.pending(id), value: encodeNote(note) });
    }
    if (writes.length === 0) return held;
    for (const id of takenAway) writes.push({ type: "del", key: keys.pending(id) });
    await this.kv.batch(writes);
    for (const id of takenAway) this.#told.delete(id);
    for (const [i, change] of changes.entries()) {
      if (held[i]) {
        this.#heads.set(change.conversationId, change.expectedHead + change.entries.length);
      }
    }
    for (const note of notes) {
      this.#untold.set(note.conversationId, note);
      this.#told.delete(note.conversationId);
    }
    await this.#tellLeft(notes.map(({ conversationId }) => conversationId));
    return held;
  }

  /** A crowd is told one by one: only the folder of a user's inbox can order its stamps. */
  async #concerned(change: LogChange): Promise<ReadonlyMap<UserId, boolean | null>> {
    const users = new Map<UserId, boolean | null>();
    if (change.events > 0) {
      for (const user of change.noted) users.set(user, null);
      if (change.crowd) {
        for (const { userId } of await this.#membersOf(change)) users.set(userId, null);
      }
    }
    for (const [user, spans] of change.spans) users.set(user, spans.at(-1)?.to === null);
    return users;
  }

  async #membersOf({ conversationId: id, group }: LogChange) {
    if (group) return group.members;
    const stored = await this.kv.get(keys.conversation(id));
    return stored ? rows.conversation.decode(keys.conversation(id), stored).members : [];
  }

  async #tellLeft(ids: readonly ConversationId[]): Promise<void> {
    const notes = ids.map((id) => this.#untold.get(id)).filter((note) => note !== undefined);
    if (notes.length === 0) return;
    await this.#tell(notes);
    for (const { conversationId } of notes) {
      this.#untold.delete(conversationId);
      this.#told.add(conversationId);
    }
  }
}

/** Reading had to write: where that cannot be now, it can be in a moment. */
function refused(cause: unknown): never {
  if (DovetailError.from(cause).code === "overloaded") throw cause;
  throw new DovetailError("storage_failed", undefined, { retryAfterMs: RECOVERY_MS, cause });
}

function encodeNote({ head, users }: Note): Uint8Array {
  const list = [...users].map(([userId, member]) => ({ userId, member }));
  return rows.pending.encode({ version: head, users: list });
}

function noteOf(conversationId: ConversationId, stored: Uint8Array): Note {
  const { version, users } = rows.pending.decode(keys.pending(conversationId), stored);
  return {
    conversationId,
    head: version,
    users: new Map(users.map(({ userId, member }) => [userId, member])),
  };
}
