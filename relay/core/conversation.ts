import type { ConversationId, DeviceId, UserId } from "../../shared/ids.js";
import { type Group, isMembershipN } from "../../shared/membership.js";
import type { Rights, SequencedEntry } from "../../shared/protocol.js";
import { MAX_NOTED_MEMBERS, MAX_RECENT_BYTES, MAX_RECENT_ENTRIES } from "./bounds.js";
import type {
  ConversationKind,
  LogChange,
  Placed,
  StoredConversation,
  StoredCursor,
} from "./ports.js";
import { type Span, WHOLE_LOG } from "./spans.js";

const NO_CURSOR: StoredCursor = { deliveredUpTo: 0, readUpTo: 0, devices: new Map() };

/** One conversation as it is durably, kept in memory. It only ever shows what the store has. */
export class Conversation {
  readonly id: ConversationId;
  readonly kind: ConversationKind;
  /** Set where the store may know better: whoever holds it fetches it anew before writing. */
  stale = false;
  /** Ends when the commit does that changes it; null where none is under way. */
  writing: Promise<void> | null = null;
  #head: number;
  #first: number;
  #group: Group;
  #members: readonly UserId[] = [];
  #memberSet: ReadonlySet<UserId> = new Set();
  readonly #cursors: Map<UserId, StoredCursor>;
  readonly #spans = new Map<UserId, readonly Span[]>();
  readonly #lastN = new Map<DeviceId, number>();
  /** The end of the log without holes, in order. */
  #recent: SequencedEntry[] = [];

  constructor(id: ConversationId, stored: StoredConversation) {
    this.id = id;
    this.kind = stored.kind;
    this.#head = stored.head;
    this.#first = stored.first;
    this.#cursors = new Map(stored.cursors);
    this.#group = stored.group;
    this.#enter(stored.group);
  }

  get head(): number {
    return this.#head;
  }

  /** Where what is kept of the log begins. */
  get first(): number {
    return this.#first;
  }

  rightsOf(user: UserId): Rights {
    if (this.kind !== "group") return "change";
    const { restricted, members } = this.#group;
    if (members.some(({ userId, admin }) => userId === user && admin)) return "moderate";
    return restricted ? "write" : "change";
  }

  get group(): Group {
    return this.#group;
  }

  /** A new array only where they changed. */
  get members(): readonly UserId[] {
    return this.#members;
  }

  /** Too many for a note to each about everything. */
  get isCrowd(): boolean {
    return this.kind === "group" && this.#members.length > MAX_NOTED_MEMBERS;
  }

  has(user: UserId): boolean {
    return this.#memberSet.has(user);
  }

  /** The parts of the log that are the user's; undefined until somebody looked them up. */
  spans(user: UserId): readonly Span[] | undefined {
    if (this.kind !== "group") return this.has(user) ? WHOLE_LOG : [];
    return this.#spans.get(user);
  }

  /** What the store said; what was committed since is newer. */
  learnSpans(user: UserId, spans: readonly Span[]): void {
    if (!this.#spans.has(user)) this.#spans.set(user, spans);
  }

  cursor(user: UserId): StoredCursor {
    return this.#cursors.get(user) ?? NO_CURSOR;
  }

  /** Undefined until somebody looked it up. */
  lastN(device: DeviceId): number | undefined {
    return this.#lastN.get(device);
  }

  /** What the store said; what was committed since is newer. */
  learnLastN(device: DeviceId, n: number): void {
    this.#lastN.set(device, Math.max(n, this.#lastN.get(device) ?? 0));
  }

  committed({ entries, cursors, group, spans }: LogChange): void {
    for (const { deviceId, n } of entries) if (!isMembershipN(n)) this.#lastN.set(deviceId, n);
    this.#head += entries.length;
    this.#keepRecent([...this.#recent, ...entries]);
    for (const [user, cursor] of cursors) this.#cursors.set(user, cursor);
    for (const [user, own] of spans) this.#spans.set(user, own);
    if (group) this.#enter(group);
  }

  /** What stood before is no longer kept. */
  trimmed(first: number): void {
    this.#first = first;
    this.#recent = this.#recent.filter(({ seq }) => seq >= first);
  }

  #enter(group: Group): void {
    this.#group = group;
    this.#members = group.members.map(({ userId }) => userId);
    this.#memberSet = new Set(this.#members);
  }

  /** Takes entries that were read, if they are the end of the log. */
  learnRecent(entries: readonly SequencedEntry[]): void {
    if (entries.at(-1)?.seq === this.#head && entries.length > this.#recent.length) {
      this.#keepRecent(entries);
    }
  }

  /** The entries from that seq on; null where memory does not go back so far. */
  recentFrom(seq: number): readonly SequencedEntry[] | null {
    if (seq > this.#head) return [];
    const first = this.#recent[0];
    return first && first.seq <= seq ? this.#recent.slice(seq - first.seq) : null;
  }

  /** A device's entries with these n, `toN` not among them; null where memory may not have the first of them. */
  recentOf(device: DeviceId, fromN: number, toN: number): readonly Placed[] | null {
    const placed = this.#recent
      .filter(({ deviceId, n }) => deviceId === device && n >= fromN && n < toN)
      .map((entry) => ({ n: entry.n, seq: entry.seq, at: entry.at, entry }));
    // A device's entries stand in the order of their n, so that all that follow are there as well.
    return placed[0]?.n === fromN ? placed : null;
  }

  #keepRecent(entries: readonly SequencedEntry[]): void {
    let bytes = 0;
    let from = entries.length;
    while (from > 0 && entries.length - from < MAX_RECENT_ENTRIES) {
      bytes += entries[from - 1]?.payload.length ?? 0;
      if (bytes > MAX_RECENT_BYTES) break;
      from--;
    }
    this.#recent = entries.slice(from);
  }
}
