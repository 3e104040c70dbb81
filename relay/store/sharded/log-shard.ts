import { DovetailError, type ErrorCode } from "../../../shared/errors.js";
import type { ConversationId, UserId } from "../../../shared/ids.js";
import { type KeyValue, under, type Write } from "../../../shared/key-value.js";
import type { SequencedEntry } from "../../../shared/protocol.js";
import { MAX_CACHED_CONVERSATIONS, RECOVERY_MS } from "../../core/bounds.js";
import { Lru } from "../../core/lru.js";
import type { LogChange, StoredConversation } from "../../core/ports.js";
import { holds, logWrites } from "../log-commit.js";
import { LogTables } from "../log-tables.js";
import { keys, rows } from "../rows.js";
import type { Serial } from "../serial.js";
import type { Note } from "./inbox-shard.js";

/**
 * Brings notes to the inboxes, which stand elsewhere; resolves when they are durable. Gives those that
 * did not come to all of their users, with what kept them away.
 */
export type Tell = (notes: readonly Note[]) => Promise<ReadonlyMap<Note, unknown>>;

/** Whether the condition held; or why it is not known whether the change counts. */
export type ShardOutcome = boolean | ErrorCode;

interface Plan {
  readonly id: ConversationId;
  readonly head: number;
  readonly writes: Write[];
  /** Null for what concerns nobody. */
  readonly note: Note | null;
}

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
    const left = note && (await this.serial.run(() => this.#tellLeft([id])));
    if (left?.has(id)) refused(left.get(id));
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

  /** One that fails fails alone, but for a write that fails: that is of all. */
  commit(changes: readonly LogChange[]): Promise<readonly ShardOutcome[]> {
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
  async tellAllLeft(): Promise<void> {
    const left = await this.serial.run(() => this.#tellLeft([...this.#untold.keys()]));
    for (const error of left.values()) throw error;
  }

  protected forget(): void {
    this.#heads.clear();
  }

  async #commit(changes: readonly LogChange[]): Promise<readonly ShardOutcome[]> {
    const left = await this.#tellLeft(changes.map(({ conversationId }) => conversationId));
    const plans = await Promise.all(
      changes.map(async (change): Promise<Plan | false | ErrorCode> => {
        const { conversationId: id } = change;
        try {
          if (left.has(id)) throw left.get(id);
          return await this.#plan(change);
        } catch (error) {
          return DovetailError.from(error).code;
        }
      }),
    );
    const planned = plans.filter((plan) => typeof plan === "object");
    const taken = new Set(this.#told);
    for (const { id } of planned) taken.delete(id);
    const writes = planned.flatMap((plan) => plan.writes);
    if (writes.length === 0) return plans.map((plan) => (typeof plan === "object" ? true : plan));
    for (const id of taken) writes.push({ type: "del", key: keys.pending(id) });
    await this.kv.batch(writes);
    for (const id of taken) this.#told.delete(id);
    for (const { id, head, note } of planned) {
      this.#heads.set(id, head);
      if (!note) continue;
      this.#untold.set(id, note);
      this.#told.delete(id);
    }
    const untold = await this.#tellLeft(planned.map(({ id }) => id));
    return plans.map((plan) => {
      if (typeof plan !== "object") return plan;
      return untold.has(plan.id) ? DovetailError.from(untold.get(plan.id)).code : true;
    });
  }

  /** False where the condition does not hold. */
  async #plan(change: LogChange): Promise<Plan | false> {
    const { conversationId: id } = change;
    const before = await this.before(change, this.#heads.get(id) ?? null);
    if (!holds(change, before)) return false;
    const head = change.expectedHead + change.entries.length;
    const writes = logWrites(change, before);
    const users = await this.#concerned(change);
    if (users.size === 0) return { id, head, writes, note: null };
    const note = { conversationId: id, head, users };
    writes.push({ type: "put", key: keys.pending(id), value: encodeNote(note) });
    return { id, head, writes, note };
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

  /** Gives those who could not be told, by conversation. */
  async #tellLeft(ids: readonly ConversationId[]): Promise<ReadonlyMap<ConversationId, unknown>> {
    const left = new Map<ConversationId, unknown>();
    const notes = ids.map((id) => this.#untold.get(id)).filter((note) => note !== undefined);
    if (notes.length === 0) return left;
    const failed = await this.#tell(notes);
    for (const note of notes) {
      const { conversationId: id } = note;
      if (failed.has(note)) {
        left.set(id, failed.get(note));
        continue;
      }
      this.#untold.delete(id);
      this.#told.add(id);
    }
    return left;
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
