import type { ConversationId, DeviceId, UserId } from "../../shared/ids.js";
import type { SequencedEntry } from "../../shared/protocol.js";
import { MAX_RECENT_BYTES, MAX_RECENT_ENTRIES } from "./bounds.js";
import type { ConversationKind, Cursor, StoredConversation } from "./ports.js";

const NO_CURSOR: Cursor = { deliveredUpTo: 0, readUpTo: 0 };

/** One conversation as it is durably, kept in memory. It only ever shows what the store has. */
export class Conversation {
  readonly id: ConversationId;
  readonly kind: ConversationKind;
  readonly members: readonly UserId[];
  /** Set where the store may know better: whoever holds it fetches it anew before writing. */
  stale = false;
  #head: number;
  readonly #cursors: Map<UserId, Cursor>;
  readonly #lastN = new Map<DeviceId, number>();
  /** The end of the log without holes, in order. */
  #recent: SequencedEntry[] = [];

  constructor(id: ConversationId, stored: StoredConversation) {
    this.id = id;
    this.kind = stored.kind;
    this.members = stored.members;
    this.#head = stored.head;
    this.#cursors = new Map(stored.cursors);
  }

  get head(): number {
    return this.#head;
  }

  cursor(user: UserId): Cursor {
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

  committed(entries: readonly SequencedEntry[], cursors: ReadonlyMap<UserId, Cursor>): void {
    for (const entry of entries) this.#lastN.set(entry.deviceId, entry.n);
    this.#head += entries.length;
    this.#keepRecent([...this.#recent, ...entries]);
    for (const [user, cursor] of cursors) this.#cursors.set(user, cursor);
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
