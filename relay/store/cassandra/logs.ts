import { placesOf } from "../../../shared/digest.js";
import { DovetailError } from "../../../shared/errors.js";
import type { ConversationId, DeviceId, UserId } from "../../../shared/ids.js";
import { fromSortable } from "../../../shared/key-value.js";
import type { SequencedEntry } from "../../../shared/protocol.js";
import { MAX_CACHED_CONVERSATIONS } from "../../core/bounds.js";
import { Lru } from "../../core/lru.js";
import type {
  LogChange,
  LogOutcome,
  LogStore,
  Placed,
  StoredConversation,
  StoredCursor,
} from "../../core/ports.js";
import type { Span } from "../../core/spans.js";
import { cursorOf } from "../log-tables.js";
import { rows } from "../rows.js";
import type { Serial } from "../serial.js";
import { cellsOf, names, noteOf, pendingOf, type Read } from "./change.js";
import type { Database } from "./database.js";
import { entriesAt, entryOf, eraseEntries } from "./entries.js";
import { Expiries } from "./expiry.js";
import { Inboxes, type Note } from "./inbox.js";
import type { Cell, Segment, Segments } from "./segments.js";
import type { Row } from "./statement.js";
import { contended, tries } from "./tries.js";

const NOTHING = new Uint8Array(0);
const lastPart = (name: string): string => name.slice(name.lastIndexOf("/") + 1);

export class CassandraLogStore implements LogStore {
  readonly #database: Database;
  readonly #segments: Segments;
  readonly #inboxes: Inboxes;
  readonly #expiries: Expiries;
  readonly #serial: Serial;
  /** What was last read or written here. May be old: then the condition of a write does not hold. */
  readonly #known = new Lru<ConversationId, Segment>(MAX_CACHED_CONVERSATIONS);
  /** Versions of which it is known that all their users were told. */
  readonly #told = new Lru<ConversationId, number>(MAX_CACHED_CONVERSATIONS);

  constructor(database: Database, segments: Segments, serial: Serial) {
    this.#database = database;
    this.#segments = segments;
    this.#serial = serial;
    this.#inboxes = new Inboxes(database);
    this.#expiries = new Expiries(database);
  }

  async conversation(id: ConversationId, glances = false): Promise<StoredConversation | null> {
    for await (const _ of tries()) {
      const segment = await this.#segments.newest(id);
      if (!segment) return null;
      if (!glances && (await this.#untold(id, segment))) {
        await this.#serial.run(() => this.#load(id));
      }
      const state = await this.#segments.state(id, segment.base);
      const read = segmentOf(state);
      // Others may have written since; who glances may have what they wrote.
      if (read && (glances || read.version === segment.version)) return conversationOf(read, state);
    }
    throw tooMany();
  }

  async lastN(id: ConversationId, device: DeviceId): Promise<number> {
    const stored = await this.#row(id, names.last(device));
    return stored ? rows.number.decode(names.last(device), stored) : 0;
  }

  async entries(
    id: ConversationId,
    fromSeq: number,
    limit: number,
  ): Promise<readonly SequencedEntry[]> {
    const from = Math.max(fromSeq, 1);
    const found: SequencedEntry[] = [];
    for (const base of await this.#segments.basesFrom(id, from)) {
      let next = from;
      let more = true;
      while (more && found.length < limit) {
        const wanted = limit - found.length;
        const stored = await this.#database.all(
          `SELECT seq, value FROM log WHERE conversation = ? AND base = ? AND seq >= ?
            ORDER BY seq ASC LIMIT ?`,
          [id, base, next, wanted],
        );
        for (const row of stored) {
          const entry = entryOf(id, Number(row.seq), row.value as Uint8Array);
          if (entry) found.push(entry);
          next = Number(row.seq) + 1;
        }
        // Rows of entries that are not kept, where trimming was broken off, are not what was asked for.
        more = stored.length === wanted;
      }
      if (found.length >= limit) break;
    }
    return found;
  }

  async digest(id: ConversationId, block: number): Promise<Uint8Array | null> {
    const query = "SELECT value FROM digest WHERE conversation = ? AND block = ?";
    const stored = (await this.#database.one(query, [id, block]))?.value as Uint8Array | undefined;
    if (!stored) return null;
    const first = (await this.#segments.newest(id))?.first ?? 1;
    return placesOf(block).from < first
      ? null
      : rows.digest.decode(`digest/${id}/${block}`, stored);
  }

  async keepDigest(id: ConversationId, block: number, digest: Uint8Array): Promise<void> {
    const query = "INSERT INTO digest (conversation, block, value) VALUES (?, ?, ?)";
    await this.#database.write([{ query, params: [id, block, rows.digest.encode(digest)] }]);
  }

  async byOrigin(
    id: ConversationId,
    device: DeviceId,
    fromN: number,
    toN: number,
  ): Promise<readonly Placed[]> {
    const bases = await this.#segments.bases(id);
    const placed: Placed[] = [];
    // A device's entries stand in the order of their n, so that the newest segments are asked first.
    for (const base of bases.toReversed()) {
      const found = await this.#segments.rowsBetween(
        id,
        base,
        names.origin(device, fromN),
        names.origin(device, toN),
      );
      placed.unshift(...(await this.#placed(id, base, found)));
      if (placed[0]?.n === fromN) break;
    }
    return placed;
  }

  async spans(id: ConversationId, user: UserId): Promise<readonly Span[]> {
    const stored = await this.#row(id, names.span(user));
    return stored ? rows.spans.decode(names.span(user), stored) : [];
  }

  async allSpans(id: ConversationId): Promise<ReadonlyMap<UserId, readonly Span[]>> {
    const segment = await this.#segments.newest(id);
    if (!segment) return new Map();
    const found = await this.#segments.rowsBetween(id, segment.base, "span/", "span0");
    return new Map(
      found.map(({ name, value }) => [lastPart(name) as UserId, rows.spans.decode(name, value)]),
    );
  }

  groupsOf(user: UserId): Promise<readonly ConversationId[]> {
    return this.#inboxes.groupsOf(user);
  }

  changes(user: UserId, after: number, limit: number) {
    return this.#inboxes.changes(user, after, limit);
  }

  newestStamp(user: UserId): Promise<number> {
    return this.#inboxes.newestStamp(user);
  }

  commit(changes: readonly LogChange[]): Promise<readonly LogOutcome[]> {
    return this.#serial.run(async () => {
      const written = await Promise.all(changes.map((change) => this.#tried(change)));
      const notes = written.filter(isNote);
      const stamps = await this.#inboxes.note(notes);
      return written.map((note): LogOutcome => {
        if (note === null) return null;
        if (note instanceof DovetailError) return { failed: note };
        const firstStamp = stamps[notes.indexOf(note)];
        if (typeof firstStamp === "number") {
          this.#told.set(note.conversationId, note.version);
          return { firstStamp };
        }
        // What was written and not noted is noted when it is loaded the next time.
        this.#known.delete(note.conversationId);
        return { failed: DovetailError.from(firstStamp) };
      });
    });
  }

  eraseExpired(now: number, limit: number): Promise<number> {
    return this.#expiries.erase(now, limit, (due) =>
      eraseEntries(this.#database, this.#segments, due),
    );
  }

  trim(id: ConversationId, first: number): Promise<void> {
    return this.#serial.run(async () => {
      for await (const _ of tries()) {
        const segment = await this.#load(id);
        if (!segment || first <= segment.first) return;
        for (const base of await this.#segments.basesFrom(id, segment.first)) {
          if (base >= first) break;
          await this.#segments.edit(id, base, () => this.#trimmed(id, base, segment.first, first));
        }
        // The beginning last: what was not finished is begun anew.
        this.#known.delete(id);
        const newest = await this.#load(id);
        const write = newest && { ...newest, first, pending: newest.pending ?? NOTHING, rows: [] };
        if (!write || (await this.#segments.write(id, newest, write))) return;
      }
      throw tooMany();
    });
  }

  async conversationsAfter(
    id: ConversationId | null,
    limit: number,
  ): Promise<readonly ConversationId[]> {
    const found: ConversationId[] = [];
    // By the ring's own order, in which the segments of one log are apart. The first one stands for it.
    let after: readonly [string, number] | null = id && [id, 1];
    while (found.length < limit) {
      const page: readonly Row[] = await this.#database.all(
        `SELECT DISTINCT conversation, base FROM log
          ${after ? "WHERE token(conversation, base) > token(?, ?)" : ""} LIMIT ?`,
        [...(after ?? []), limit],
      );
      for (const row of page) {
        after = [row.conversation as string, Number(row.base)];
        if (after[1] === 1 && found.length < limit) found.push(row.conversation as ConversationId);
      }
      if (page.length < limit) break;
    }
    return found;
  }

  async checkWritable(): Promise<void> {
    this.#forget();
    const query = "INSERT INTO probe (id, at) VALUES ('relay', ?)";
    await this.#database.write([{ query, params: [Date.now()] }]);
  }

  /** The newest segment, with all of its users told of its last change. One at a time. */
  async #load(id: ConversationId): Promise<Segment | null> {
    const segment = await this.#segments.newest(id);
    const untold = segment && (await this.#untold(id, segment));
    const [told] = untold ? await this.#inboxes.note([untold]) : [];
    if (told instanceof DovetailError) throw told;
    return segment;
  }

  async #untold(id: ConversationId, { pending, version }: Segment): Promise<Note | null> {
    if (!pending?.length || this.#told.get(id) === version) return null;
    const missing = await this.#inboxes.missing(noteOf(id, pending, 1));
    if (!missing) this.#told.set(id, version);
    return missing;
  }

  async #tried(change: LogChange): Promise<Note | DovetailError | null> {
    try {
      return await this.#apply(change);
    } catch (error) {
      this.#known.delete(change.conversationId);
      return DovetailError.from(error);
    }
  }

  /** What is to be noted then; null where the condition does not hold. */
  async #apply(change: LogChange): Promise<Note | null> {
    const id = change.conversationId;
    for await (const _ of tries()) {
      const known = this.#known.get(id);
      const segment = known ?? (await this.#load(id));
      if ((segment?.head ?? 0) !== change.expectedHead || (segment === null) !== !!change.opens) {
        this.#known.delete(id);
        if (known) continue;
        return null;
      }
      const read = await this.#read(change, segment);
      if (!read) return null;
      await this.#expiries.plan(id, change.entries);
      const pending = pendingOf(change, read, (segment?.version ?? 0) + 1);
      const written = await this.#segments.write(id, segment, {
        head: change.expectedHead + change.entries.length,
        first: segment?.first ?? 1,
        pending,
        rows: cellsOf(change, read),
      });
      if (written) {
        this.#known.set(id, written);
        return noteOf(id, pending, change.events);
      }
      this.#known.delete(id);
    }
    throw tooMany();
  }

  /** What the change needs of the state; null where its invite is not as it expects. */
  async #read(change: LogChange, segment: Segment | null): Promise<Read | null> {
    const id = change.conversationId;
    const cursors = new Map<UserId, StoredCursor>();
    if (!segment) return change.invite ? null : { kind: null, group: null, invite: null, cursors };
    const row = (name: string) => this.#segments.row(id, segment.base, name);
    for (const user of change.cursors.keys()) {
      const stored = await row(names.cursor(user));
      if (stored) cursors.set(user, cursorOf(names.cursor(user), stored));
    }
    const needed = change.group !== null || change.crowd !== null;
    const stored = needed ? await row(names.conversation) : null;
    const { kind, ...group } = stored
      ? rows.conversation.decode(names.conversation, stored)
      : { kind: null };
    const { invite: wanted } = change;
    const link = wanted && (await row(names.link(wanted.code)));
    const invite =
      wanted && link?.length ? rows.invite.decode(names.link(wanted.code), link) : null;
    if (wanted && invite?.uses !== wanted.uses) return null;
    return { kind, group: "members" in group ? group : null, invite, cursors };
  }

  async #trimmed(
    id: ConversationId,
    base: number,
    from: number,
    first: number,
  ): Promise<readonly Cell[]> {
    const stored = await this.#database.all(
      `SELECT seq, value FROM log
        WHERE conversation = ? AND base = ? AND seq >= ? AND seq < ?`,
      [id, base, Math.max(from, 1), first],
    );
    return stored.flatMap((row): Cell[] => {
      const seq = Number(row.seq);
      const entry = entryOf(id, seq, row.value as Uint8Array);
      if (!entry) return [];
      const origin = rows.origin.encode({ seq, at: entry.at });
      return [
        { seq, name: "", value: NOTHING },
        { seq: 0, name: names.origin(entry.deviceId, entry.n), value: origin },
      ];
    });
  }

  async #placed(
    id: ConversationId,
    base: number,
    origins: readonly Row[],
  ): Promise<readonly Placed[]> {
    const named = origins.map((row) => {
      const name = row.name as string;
      return { name, ...rows.origin.decode(name, row.value as Uint8Array) };
    });
    const seqs = named.map(({ seq }) => seq);
    const entries = await entriesAt(this.#database, id, base, seqs);
    const placed = named.map(async ({ name, seq, at: trimmedAt }): Promise<Placed | null> => {
      const entry = entries.get(seq) ?? null;
      // It may have been trimmed since the row was read, which then says when it was appended.
      const newer = entry ? null : await this.#segments.row(id, base, name);
      const at = entry?.at ?? (newer ? rows.origin.decode(name, newer).at : trimmedAt);
      return at === null ? null : { n: fromSortable(lastPart(name)), seq, at, entry };
    });
    return (await Promise.all(placed)).filter((each) => each !== null);
  }

  async #row(id: ConversationId, name: string): Promise<Uint8Array | null> {
    const segment = await this.#segments.newest(id);
    return segment && this.#segments.row(id, segment.base, name);
  }

  #forget(): void {
    this.#known.clear();
    this.#inboxes.forget();
  }
}

const isNote = (each: Note | DovetailError | null): each is Note =>
  each !== null && !(each instanceof DovetailError);

const tooMany = (): DovetailError => contended("The log is written by too many at once.");

/** What all rows of a state are of; null where they were read at different times. */
function segmentOf(state: readonly Row[]): Pick<Segment, "head" | "first" | "version"> | null {
  const [row] = state;
  const version = Number(row?.version);
  // Those of one page are of one moment: a replica gives a change of a partition as a whole or not at all.
  if (!row || state.some((each) => Number(each.version) !== version)) return null;
  return { head: Number(row.head), first: Number(row.first), version };
}

function conversationOf(
  { head, first }: Pick<Segment, "head" | "first">,
  state: readonly Row[],
): StoredConversation {
  const cursors = new Map<UserId, StoredCursor>();
  let conversation: ReturnType<typeof rows.conversation.decode> | null = null;
  for (const row of state) {
    const name = row.name as string;
    const value = row.value as Uint8Array;
    if (name === names.conversation) conversation = rows.conversation.decode(name, value);
    if (name.startsWith("cursor/")) cursors.set(lastPart(name) as UserId, cursorOf(name, value));
  }
  if (!conversation) throw new DovetailError("profile_corrupt", "A log has no conversation.");
  const { kind, ...group } = conversation;
  return { kind, group, head, first, cursors };
}
