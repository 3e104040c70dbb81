/** What one change of the profile does to the entries of one conversation, while it is being made. */
import type { ConversationId, DeviceId, Origin, UserId } from "../../shared/ids.js";
import { under, type Write } from "../../shared/key-value.js";
import type { Membership, Rights } from "../../shared/protocol.js";
import {
  type Body,
  decodeContent,
  encodeContent,
  isShown,
  isWritten,
  targetOf,
  textOf,
} from "./content.js";
import { announce, type Core, putConversation, putTail } from "./core.js";
import { logAt } from "./find.js";
import type { Found, Logged } from "./found.js";
import type { ClockReading } from "./hlc.js";
import { DELETED, marked, NO_MARKS, writingOf } from "./marks.js";
import { followed, introduced, membershipWrites } from "./membership.js";
import { personal } from "./personal.js";
import { Pending, register } from "./registers.js";
import {
  type ConversationRow,
  emptyRow,
  keys,
  type LogRow,
  logRow,
  MAX_UNREAD,
  type Marks,
  originRow,
  tailRow,
} from "./rows.js";
import {
  type Conversation,
  insert,
  readTail,
  remove,
  replace,
  sameOrigin,
  type TailEntry,
} from "./state.js";
import { messageOf } from "./views.js";

const orphanKey = (id: ConversationId, target: Origin, { deviceId, n }: Origin): string =>
  `${keys.orphans(id, target)}${deviceId}.${n}`;

const keyOf = ({ deviceId, n }: Origin): string => `${deviceId}.${n}`;

interface Counted extends Origin {
  readonly userId: UserId;
  readonly at: number;
  readonly marks: Marks | null;
}

/** An entry, as far as what it changes depends on it. */
interface Author {
  readonly userId: UserId;
  readonly deviceId: DeviceId;
  readonly n: number;
  /** What it may do in a group, as the relay says with its place; null while it has none. */
  readonly rights: Rights | null;
  readonly membership: Membership | null;
}

export class Revision {
  row: ConversationRow;
  readonly #core: Core;
  readonly #conversation: Conversation;
  /** By key: a row that is changed twice is written once. */
  readonly #writes = new Map<string, Write>();
  /** In order, once all is written. */
  readonly #effects: (() => void)[] = [];
  readonly #logged = new Map<number, Logged>();
  /** Where entries stand that this revision places. */
  readonly #seqs = new Map<string, number>();
  readonly #tails = new Map<string, TailEntry>();
  readonly #pending = new Pending();
  readonly #quiet: boolean;
  #membersChanged = false;
  /** What is unread was counted when it came. */
  #mending = false;

  constructor(core: Core, conversation: Conversation, quiet = false) {
    this.#core = core;
    this.#conversation = conversation;
    this.row = conversation.row;
    this.#quiet = quiet;
  }

  get writes(): Write[] {
    return [
      ...this.#writes.values(),
      putConversation(this.row),
      ...(this.#membersChanged ? membershipWrites(this.row) : []),
    ];
  }

  /** To be called when all is written. */
  apply(): void {
    this.#conversation.row = this.row;
    for (const effect of this.#effects) effect();
    announce(this.#core, this.#conversation);
  }

  /** A new entry without a place. */
  async add(entry: TailEntry): Promise<void> {
    const { conversationId } = this.row;
    const added = readTail({
      ...entry,
      marks: await this.#adopted(entry, entry.userId, entry.marks),
    });
    this.#tails.set(keyOf(added), added);
    this.#put(putTail(conversationId, added));
    const own = added.userId === this.#core.state.self.userId;
    if (own) this.row = { ...this.row, accepted: true };
    else if (this.#counts(added, added.content.body)) this.#unread(1, added.content.body);
    if (added.shown) {
      this.row = { ...this.row, activity: Math.max(this.row.activity, added.at) };
    }
    this.#effects.push(() => {
      const now = this.#tails.get(keyOf(added)) ?? added;
      insert(this.#conversation.tail, now);
      this.#core.hlc.see(now.content.clock);
      this.#tell("message.added", { kind: "tail", entry: now });
    });
    await this.#follow(
      added.content.body,
      { ...added, rights: null, membership: null },
      added.content.clock,
      added.at,
    );
  }

  /** An entry whose place is known while those before it are missing. */
  placeLater(pending: TailEntry, seq: number): void {
    // With what an entry before it in this change has made of it.
    const entry = readTail({ ...(this.#tails.get(keyOf(pending)) ?? pending), seq });
    this.#tails.set(keyOf(entry), entry);
    this.#put(putTail(this.row.conversationId, entry));
    this.#effects.push(() => {
      replace(this.#conversation.tail, entry);
      this.#tell("message.updated", { kind: "tail", entry });
    });
  }

  /** The entry that follows the stored log; `pending` is what stood in the tail for it. */
  async place(seq: number, entry: LogRow, pending: TailEntry | undefined): Promise<void> {
    const { state, hlc } = this.#core;
    const { conversationId } = this.row;
    const content = decodeContent(entry.payload, entry.at);
    const shown = isShown(content.body);
    const known = this.#tails.get(keyOf(entry)) ?? pending;
    const marks = await this.#adopted(
      entry,
      entry.userId,
      marksOf(content.body, known?.marks ?? entry.marks),
    );
    const floor = this.#tails.get(keyOf(entry))?.floor ?? entry.floor;
    const { row } = this.#store(seq, { ...entry, floor, marks }, content.body);
    this.#tails.delete(keyOf(entry));
    if (pending) this.#put({ type: "del", key: keys.tail(conversationId, pending) });
    const own = entry.userId === state.self.userId;
    this.#advance(seq, row, own, known, content.body, shown);
    // Before it is told: who joins is named in it.
    if (entry.membership) this.#followMembers(entry, entry.membership, seq);
    this.#effects.push(() => {
      const now = this.#logged.get(seq) as Logged;
      if (pending) remove(this.#conversation.tail, pending);
      this.#conversation.newest = now.row;
      const visible = now.shown && !state.isHidden(this.row, now.row);
      if (visible) this.#conversation.lastShown = { seq, row: now.row };
      if (!own) this.#conversation.heardUpTo = seq;
      hlc.see(content.clock);
      if (pending) this.#tell("message.updated", now);
      else if (!this.#quiet) this.#tell("message.added", now);
    });
    await this.#follow(content.body, entry, content.clock, entry.at);
  }

  /**
   * Puts an entry into the stored log where its row is missing or wrong. What is set for the whole
   * conversation stays as it is: it has rows of its own, and what came later may have set it.
   * `pending` is what stands in the tail for it.
   */
  async mend(seq: number, entry: LogRow, pending: TailEntry | undefined): Promise<void> {
    this.#mending = true;
    const { body, clock } = decodeContent(entry.payload, entry.at);
    const marks = await this.#adopted(entry, entry.userId, marksOf(body, entry.marks));
    const { shown } = this.#store(seq, { ...entry, marks }, body);
    // It may be there as it was before it disappeared.
    const other = shown ? keys.quiet : keys.shown;
    this.#put({ type: "del", key: other(this.row.conversationId, seq) });
    if (pending) this.#put({ type: "del", key: keys.tail(this.row.conversationId, pending) });
    this.#effects.push(() => {
      if (pending) remove(this.#conversation.tail, pending);
      const now = this.#logged.get(seq) as Logged;
      if (seq === this.row.upTo) this.#conversation.newest = now.row;
      this.#core.hlc.see(clock);
      this.#tell("message.updated", now);
    });
    if (await this.followAgain(body, entry, clock)) return;
    const target = targetOf(body) as Origin;
    const waiting = orphanKey(this.row.conversationId, target, entry);
    if (await this.#core.ports.store.get(waiting)) return;
    this.#orphan(target, entry, body, clock, entry.at);
  }

  /** What an entry makes of the message that it changes; false where that is not here. */
  async followAgain(body: Body, author: Author, clock: ClockReading): Promise<boolean> {
    const target = targetOf(body);
    const writing = writingOf(clock, author.deviceId);
    const admin = author.rights === "moderate";
    return !target || this.#mark(target, body, { userId: author.userId, writing, admin });
  }

  /** The rows of an entry that has its place. */
  #store(seq: number, entry: LogRow, body: Body): Logged {
    const { conversationId } = this.row;
    const payload = entry.marks?.deleted ? erased(entry) : entry.payload;
    const logged: Logged = { kind: "log", seq, row: { ...entry, payload }, shown: isShown(body) };
    this.#logged.set(seq, logged);
    this.#seqs.set(keyOf(entry), seq);
    this.#put({
      type: "put",
      key: keys.origin(conversationId, entry),
      value: originRow.encode(seq),
    });
    this.#putLogged(logged);
    if (entry.ttl > 0 && logged.shown) {
      const key = keys.expiry(entry.at + entry.ttl * 1000, conversationId, seq);
      this.#put({ type: "put", key, value: emptyRow.encode(new Uint8Array()) });
    }
    return logged;
  }

  #advance(
    seq: number,
    entry: LogRow,
    own: boolean,
    pending: TailEntry | undefined,
    body: Body,
    shown: boolean,
  ): void {
    // Read while it stood in the tail: now the cursor can say so.
    const readUpTo = !own && pending?.read && seq > this.row.readUpTo ? seq : this.row.readUpTo;
    // What it said may be gone by now: it was counted by what it said then.
    const said = pending?.content.body ?? body;
    const counted = pending ? !own && !pending.read && this.#counts(pending, said) : false;
    // Whoever wrote here, on whichever device, has taken it.
    this.row = { ...this.row, upTo: seq, readUpTo, accepted: this.row.accepted || own };
    if (counted) this.#unread(-1, said);
    if (!own && seq > readUpTo && this.#counts(entry, body)) this.#unread(1, body);
    if (shown && !pending) {
      this.row = { ...this.row, activity: Math.max(this.row.activity, entry.at) };
    }
  }

  /**
   * The own read cursor came to the end of the stored log, so what is unread stands after it: in the
   * tail, but for what was placed.
   */
  countUnread(placed: ReadonlySet<TailEntry>): void {
    const self = this.#core.state.self.userId;
    const unread = this.#conversation.tail.filter(
      (entry) =>
        entry.userId !== self &&
        !entry.read &&
        !placed.has(entry) &&
        // With what an entry before it in this change has made of it.
        this.#counts(this.#tails.get(keyOf(entry)) ?? entry, entry.content.body),
    ).length;
    this.row = {
      ...this.row,
      unread: Math.min(MAX_UNREAD, unread),
      mentioned: unread > 0 && this.row.mentioned,
    };
  }

  #unread(by: number, body: Body): void {
    const unread = Math.max(0, Math.min(MAX_UNREAD, this.row.unread + by));
    const named = by > 0 && names(body, this.#core.state.self.handle);
    this.row = { ...this.row, unread, mentioned: unread > 0 && (this.row.mentioned || named) };
  }

  #counts(entry: Counted, body: Body): boolean {
    const deleted = entry.marks?.deleted ?? false;
    return isWritten(body) && !deleted && !this.#core.state.isHidden(this.row, entry);
  }

  /** What was deleted before it was read need not be read any more. */
  #uncount(found: Found, marks: Marks): void {
    if (this.#mending) return;
    const { row, body, read } =
      found.kind === "tail"
        ? { row: found.entry, body: found.entry.content.body, read: found.entry.read }
        : {
            row: found.row,
            body: decodeContent(found.row.payload, found.row.at).body,
            read: found.seq <= this.row.readUpTo,
          };
    if (read || !marks.deleted || row.userId === this.#core.state.self.userId) return;
    if (this.#counts(row, body)) this.#unread(-1, body);
  }

  #followMembers(entry: LogRow, { adds }: Membership, seq: number): void {
    const { userId: self } = this.#core.state.self;
    const joins = adds.some(({ userId }) => userId === self);
    // As the relay counts it: what one had not read when one was out before is not waited for.
    if (joins) this.row = { ...this.row, readUpTo: Math.max(this.row.readUpTo, seq - 1) };
    if (adds.some(({ userId }) => userId !== self)) this.#lowerFloors();
    const people = introduced(this.#core, adds);
    for (const write of people.writes) this.#put(write);
    this.#effects.push(people.apply);
    const row = followed(this.row, entry, seq);
    if (!row) return;
    this.row = row;
    this.#membersChanged = true;
  }

  /** What waits is for somebody more than those who told directly what they did with it. */
  #lowerFloors(): void {
    for (const waiting of this.#conversation.tail) {
      // It does not wait any more.
      if (this.#seqs.has(keyOf(waiting))) continue;
      const known = this.#tails.get(keyOf(waiting)) ?? waiting;
      if (known.floor === "none") continue;
      const entry = readTail({ ...known, floor: "none" });
      this.#tails.set(keyOf(entry), entry);
      this.#put(putTail(this.row.conversationId, entry));
      this.#effects.push(() => replace(this.#conversation.tail, entry));
    }
  }

  /** What an entry does besides being there. */
  async #follow(body: Body, author: Author, clock: ClockReading, at: number): Promise<void> {
    const target = targetOf(body);
    if (target) {
      const here = await this.followAgain(body, author, clock);
      if (!here) this.#orphan(target, author, body, clock, at);
      return;
    }
    const writing = writingOf(clock, author.deviceId);
    const { state } = this.#core;
    const change =
      this.row.kind === "notes" && author.userId === state.self.userId
        ? personal(this.#core, this.#pending, body, writing)
        : register(this.#core, this.#conversation, this.#pending, body, writing, author);
    if (!change) return;
    for (const write of change.writes) this.#put(write);
    this.#effects.push(change.apply);
  }

  /** False where the message is not here. */
  async #mark(
    target: Origin,
    body: Body,
    by: { userId: UserId; writing: string; admin: boolean },
  ): Promise<boolean> {
    const found = await this.#find(target);
    if (!found) return false;
    if (found.kind === "tail") {
      const marks = marked(found.entry.marks ?? NO_MARKS, found.entry.userId, body, by);
      if (marks === (found.entry.marks ?? NO_MARKS)) return true;
      this.#uncount(found, marks);
      const entry = readTail({ ...found.entry, marks });
      this.#tails.set(keyOf(entry), entry);
      this.#put(putTail(this.row.conversationId, entry));
      this.#effects.push(() => {
        replace(this.#conversation.tail, entry);
        this.#tell("message.updated", { kind: "tail", entry });
      });
      return true;
    }
    const marks = marked(found.row.marks ?? NO_MARKS, found.row.userId, body, by);
    if (marks === (found.row.marks ?? NO_MARKS)) return true;
    this.#uncount(found, marks);
    const payload = marks.deleted ? erased(found.row) : found.row.payload;
    const logged: Logged = { ...found, row: { ...found.row, marks, payload } };
    this.#logged.set(found.seq, logged);
    this.#putLogged(logged);
    this.#effects.push(() => {
      const { lastShown, newest } = this.#conversation;
      if (lastShown?.seq === found.seq)
        this.#conversation.lastShown = { seq: found.seq, row: logged.row };
      if (newest && sameOrigin(newest, logged.row)) this.#conversation.newest = logged.row;
      this.#tell("message.updated", logged);
    });
    return true;
  }

  async #find(origin: Origin): Promise<Found | null> {
    const changed = this.#tails.get(keyOf(origin));
    if (changed) return { kind: "tail", entry: changed };
    const placed = this.#seqs.get(keyOf(origin));
    if (placed !== undefined) return this.#logged.get(placed) ?? null;
    const waiting = this.#conversation.tail.find((entry) => sameOrigin(entry, origin));
    if (waiting) return { kind: "tail", entry: waiting };
    const { conversationId } = this.row;
    const stored = await this.#core.ports.store.get(keys.origin(conversationId, origin));
    if (!stored) return null;
    const seq = originRow.decode(stored);
    return this.#logged.get(seq) ?? logAt(this.#core, conversationId, seq);
  }

  /** Keeps a change until the message is there that it speaks of. */
  #orphan(target: Origin, author: Author, body: Body, clock: ClockReading, at: number): void {
    const key = orphanKey(this.row.conversationId, target, author);
    const payload = encodeContent({ clock, sentAt: at, body });
    const { userId, deviceId, n } = author;
    const value = tailRow.encode({
      ...{ userId, deviceId, n, at, payload },
      ...{ ttl: 0, seq: 0, direct: false, floor: "none", read: author.rights === "moderate" },
      ...{ signature: null, heldBy: [], marks: null },
    });
    this.#put({ type: "put", key, value });
    this.row = { ...this.row, orphans: this.row.orphans + 1 };
  }

  /** The marks of an entry that comes only now, with what was said of it before. */
  async #adopted(origin: Origin, author: UserId, marks: Marks | null): Promise<Marks | null> {
    if (this.row.orphans === 0) return marks;
    const prefix = keys.orphans(this.row.conversationId, origin);
    let adopted = marks;
    const stored = await this.#core.ports.store.range(under(prefix));
    // Its change may have come just before it.
    const pending = [...this.#writes.values()].filter(
      (write) => write.type === "put" && write.key.startsWith(prefix),
    ) as Extract<Write, { type: "put" }>[];
    const orphans = new Map([...stored, ...pending].map(({ key, value }) => [key, value]));
    for (const [key, value] of orphans) {
      const { userId, deviceId, payload, at, read } = tailRow.decode(value);
      const { body, clock } = decodeContent(payload, at);
      const writing = writingOf(clock, deviceId);
      const by = { userId, writing, admin: read };
      adopted = marked(adopted ?? NO_MARKS, author, body, by);
      this.#put({ type: "del", key });
      this.row = { ...this.row, orphans: Math.max(0, this.row.orphans - 1) };
    }
    return adopted;
  }

  #put(write: Write): void {
    this.#writes.set(write.key, write);
  }

  #putLogged({ seq, row, shown }: Logged): void {
    const { conversationId } = this.row;
    const key = shown ? keys.shown(conversationId, seq) : keys.quiet(conversationId, seq);
    this.#put({ type: "put", key, value: logRow.encode(row) });
  }

  #tell(event: "message.added" | "message.updated", found: Found): void {
    const { state, events } = this.#core;
    const entry = found.kind === "tail" ? found.entry : found.row;
    const shown = found.kind === "tail" ? found.entry.shown : found.shown;
    if (!shown || state.isHidden(this.row, entry)) return;
    events.emit(event, messageOf(state, this.#conversation, found));
  }
}

/** What is left of a message that was deleted for everyone: when it was written. */
const erased = (row: LogRow): Uint8Array => {
  const { clock, sentAt } = decodeContent(row.payload, row.at);
  return encodeContent({ clock, sentAt, body: { type: "erased" } });
};

/** Those of an entry that came from another own device, which keeps no more of it. */
const marksOf = (body: Body, marks: Marks | null): Marks | null =>
  body.type === "erased" ? DELETED : marks;

const names = (body: Body, handle: string): boolean =>
  textOf(body)
    .toLowerCase()
    .split(/[^a-z0-9_@]+/)
    .includes(`@${handle}`);
