/** Keeps the stored logs level with the relay's: what changed while away, what is pushed, what is missing. */
import { DovetailError } from "../../shared/errors.js";
import type { ConversationId, UserId } from "../../shared/ids.js";
import { MAX_CHANGES, MAX_ENTRIES } from "../../shared/limits.js";
import type { ConversationState, SequencedEntry } from "../../shared/protocol.js";
import type { Core } from "./core.js";
import { forgetStamp, meetWithCursors, reach } from "./directory.js";
import { addSequenced, skipTo } from "./entries.js";
import { logAt } from "./find.js";
import { BULK, type HistoryTransfer } from "./history-transfer.js";
import { moveMember } from "./receipts.js";
import type { Push, RelayLink } from "./relay-link.js";
import { rewind } from "./rewind.js";
import { type ConversationRow, keys, type LogRow } from "./rows.js";
import { type Conversation, sameOrigin } from "./state.js";

/** How often to look whether a log is here. */
const FETCHED_MS = 20;
/** Logs that are fetched at once. */
const MAX_FETCHING = 4;
/** Pushes that wait to be stored; a disk that falls behind further is better served by a new start. */
const MAX_WAITING = 4_096;

/** How long a channel to another own device is waited for: where much is missing, and where some may be. */
const OPENING_MS = 4_000;
const GLANCE_MS = 500;

type Stamped = Extract<Push, { stamp: number }>;

export class Sync {
  readonly #core: Core;
  readonly #relay: RelayLink;
  readonly #transfer: HistoryTransfer;
  readonly #changed: (id: ConversationId) => void;
  readonly #rewound: (conversation: Conversation) => void;
  readonly #leveled: () => void;
  readonly #suspected: (id: ConversationId) => void;
  #inbound: Promise<void> = Promise.resolve();
  #waiting = 0;
  /** Counts connections, so that the work of an old one stops. */
  #generation = 0;
  /**
   * Until all changes of before this connection are in, the position must not move: it would pass
   * over what has not been fetched. What is pushed meanwhile moves it at the end.
   */
  #level = false;
  #pushedUpTo = 0;
  readonly #fetching = new Set<ConversationId>();
  readonly #behind = new Set<ConversationId>();
  /** Whose logs may not be the relay's any more. */
  readonly #suspects = new Set<ConversationId>();
  /** Those that certainly are not. */
  readonly #parted = new Set<ConversationId>();

  constructor(
    core: Core,
    relay: RelayLink,
    transfer: HistoryTransfer,
    events: {
      changed(id: ConversationId): void;
      /** Entries that had their place wait for one again. */
      rewound(conversation: Conversation): void;
      /** All that changed while away is known. */
      leveled(): void;
      /** More of a log may not be the relay's than its end. */
      suspected(id: ConversationId): void;
    },
  ) {
    this.#changed = events.changed;
    this.#rewound = events.rewound;
    this.#leveled = events.leveled;
    this.#suspected = events.suspected;
    this.#core = core;
    this.#relay = relay;
    this.#transfer = transfer;
  }

  connected(): void {
    const generation = ++this.#generation;
    this.#level = false;
    this.#pushedUpTo = 0;
    for (const { row } of this.#core.state.byActivity()) this.#fetchIfBehind(row.conversationId);
    this.#catchUp(generation).catch((error: unknown) => this.#failed(generation, error));
  }

  disconnected(): void {
    this.#generation++;
    this.#fetching.clear();
    this.#behind.clear();
  }

  push(frame: Stamped): void {
    const generation = this.#generation;
    if (++this.#waiting > MAX_WAITING) {
      this.#relay.restart(
        new DovetailError("overloaded", "The disk is too slow for what arrives."),
      );
    }
    this.#inbound = this.#inbound
      .then(() => (generation === this.#generation ? this.#take(frame) : undefined))
      .catch((error: unknown) => this.#failed(generation, error))
      .finally(() => {
        this.#waiting--;
      });
  }

  /** Asks the relay for a conversation that it has not told of yet. */
  async learn(id: ConversationId): Promise<void> {
    const { conversation } = await this.#relay.request("getConversation", { conversationId: id });
    await this.meet(conversation);
  }

  /** Takes what the relay answered of a conversation; what it pushes of it comes after. */
  async meet(conversation: ConversationState): Promise<void> {
    const generation = this.#generation;
    try {
      await meetWithCursors(this.#core, conversation);
    } catch (error) {
      // Nobody would tell it again before the next connection.
      this.#failed(generation, error);
      throw error;
    }
    this.#fetchIfBehind(conversation.conversationId);
  }

  /** Resolves when the conversation's log is here as far as the relay has told of it, or cannot be had now. */
  async fetched(id: ConversationId): Promise<void> {
    const generation = this.#generation;
    const { clock } = this.#core.ports;
    const fetching = () => this.#relay.connected && generation === this.#generation;
    while (fetching() && this.#isBehind(id)) {
      await new Promise<void>((resolve) => void clock.after(FETCHED_MS, resolve));
    }
  }

  #isBehind(id: ConversationId): boolean {
    const row = this.#core.state.conversations.get(id)?.row;
    return row !== undefined && row.head > row.upTo;
  }

  async idle(): Promise<void> {
    await this.#inbound;
  }

  async #catchUp(generation: number): Promise<void> {
    for (let more = true; more; ) {
      const page = await this.#relay.request("getChanges", {
        after: this.#core.state.stamp,
        limit: MAX_CHANGES,
      });
      if (page.upTo < this.#core.state.stamp) {
        // The relay has forgotten changes that it had told of: any log may be another one.
        await this.#core.journal.run(() => forgetStamp(this.#core));
        for (const id of this.#core.state.conversations.keys()) this.#doubt(id);
        continue;
      }
      for (const conversation of page.conversations) {
        await meetWithCursors(this.#core, conversation);
        this.#compare(conversation);
        this.#told(conversation.conversationId);
      }
      if (generation !== this.#generation) return;
      more = page.more;
      if (more && page.upTo <= this.#core.state.stamp) throw new DovetailError("unexpected_frame");
      await this.#core.journal.run(() => reach(this.#core, page.upTo));
    }
    this.#level = true;
    await this.#core.journal.run(() => reach(this.#core, this.#pushedUpTo));
    if (generation === this.#generation) this.#leveled();
  }

  /** Entries that should be here already: others at their places mean that the logs differ. */
  async #checkOld(id: ConversationId, entries: readonly SequencedEntry[]): Promise<void> {
    const { upTo } = this.#core.state.conversation(id).row;
    for (const entry of entries) {
      if (entry.seq > upTo) return;
      if (!(await this.#core.ports.store.get(keys.origin(id, entry)))) {
        this.suspect(id);
        return;
      }
    }
  }

  #compare({ conversationId, head }: ConversationState): void {
    const row = this.#core.state.conversations.get(conversationId)?.row;
    if (row && head < row.upTo) this.#suspects.add(conversationId);
  }

  async #take(frame: Stamped): Promise<void> {
    const core = this.#core;
    const stamp = this.#level ? frame.stamp : undefined;
    if (frame.type === "conversation") {
      await meetWithCursors(core, frame.conversation, stamp);
      this.#told(frame.conversation.conversationId);
    } else {
      const id = frame.conversationId;
      const known = core.state.conversations.get(id);
      // Also who came while this device was away: the answer that tells of them may be older than this.
      const isMember = (userId: UserId) =>
        known?.row.members.some((each) => each.userId === userId);
      if (!known || (frame.type === "cursors" && !isMember(frame.userId))) await this.learn(id);
      if (frame.type === "entries") await this.#checkOld(id, frame.entries);
      await core.journal.run(() => {
        if (frame.type === "cursors") return moveMember(core, id, frame, stamp);
        const entries = frame.type === "entries" ? frame.entries : frame.placements;
        return addSequenced(core, id, entries, { stamp });
      });
      this.#told(id);
    }
    this.#pushedUpTo = Math.max(this.#pushedUpTo, frame.stamp);
  }

  /** Something does not fit what the relay had acknowledged: compare the logs. */
  suspect(id: ConversationId): void {
    this.#doubt(id);
    this.#suspected(id);
  }

  /** The logs differ before their ends. */
  parted(id: ConversationId): void {
    this.#parted.add(id);
    this.#doubt(id);
  }

  /** The ends of the logs are to be compared. */
  #doubt(id: ConversationId): void {
    this.#suspects.add(id);
    this.#fetchIfBehind(id);
  }

  #told(id: ConversationId): void {
    this.#changed(id);
    this.#fetchIfBehind(id);
  }

  #fetchIfBehind(id: ConversationId): void {
    const row = this.#core.state.conversations.get(id)?.row;
    if (row && (row.head > row.upTo || this.#suspects.has(id))) this.#behind.add(id);
    this.#fetchNext();
  }

  #fetchNext(): void {
    for (const id of this.#behind) {
      if (this.#fetching.size >= MAX_FETCHING || !this.#relay.connected) return;
      if (this.#fetching.has(id)) continue;
      this.#behind.delete(id);
      this.#fetching.add(id);
      const generation = this.#generation;
      this.#fetch(id, generation)
        .catch((error: unknown) => this.#failed(generation, error))
        .finally(() => {
          if (generation !== this.#generation) return;
          this.#fetching.delete(id);
          this.#fetchNext();
        });
    }
  }

  /** Fetches what is missing, and finds out on the way when the two logs are not the same. */
  async #fetch(id: ConversationId, generation: number): Promise<void> {
    const conversation = this.#core.state.conversation(id);
    const current = () => generation === this.#generation;
    const behind = () => conversation.row.head > conversation.row.upTo;
    // Whoever left a group and came back has nothing of what stands between: asked from there on.
    let overlap = 1;
    let asked = false;
    const askOwn = async (patienceMs: number): Promise<boolean> => {
      asked = true;
      const { upTo } = conversation.row;
      await this.#transfer.fill(id, patienceMs, current);
      if (conversation.row.upTo === upTo) return false;
      // Its last entry has to be the relay's too.
      this.#suspects.add(id);
      // And what the other device lacked is not to be lacking here.
      this.#suspected(id);
      this.#changed(id);
      return true;
    };
    if (conversation.row.head - conversation.row.upTo > BULK) await askOwn(OPENING_MS);
    while (current() && (behind() || this.#suspects.has(id))) {
      // As it is now: what is pushed while the relay answers moves it on.
      const { row, newest } = conversation;
      const { head, first, entries } = await this.#relay.request("getEntries", {
        conversationId: id,
        // The last one again: it has to be the same there as here.
        fromSeq: Math.max(1, row.upTo + 1 - overlap),
        limit: MAX_ENTRIES,
      });
      if (!current()) return;
      // It may be older than what the relay keeps, or than what this user may have.
      const same =
        !this.#parted.has(id) &&
        (newest === null || first > row.upTo || isLast(row, newest, entries[0]));
      if (!same || head < row.head) {
        await this.#reconcile(id, conversation, same ? row.upTo : 0, current);
        continue;
      }
      // The relay may keep no more of it while another own device does.
      if (first > row.upTo + 1 && !asked && (await askOwn(GLANCE_MS))) continue;
      if (!current()) return;
      this.#suspects.delete(id);
      await this.#core.journal.run(() => skipTo(this.#core, id, first - 1));
      await this.#core.journal.run(() => addSequenced(this.#core, id, entries));
      overlap = conversation.row.upTo > row.upTo ? 1 : overlap - 1;
      if (overlap < 0) throw new DovetailError("unexpected_frame", "The relay gives no entries.");
      this.#changed(id);
    }
  }

  /**
   * The relay's log is another one than it was: it lost what it had acknowledged. Finds the last
   * common entry by halving, for the logs share a beginning, and goes back to it.
   */
  async #reconcile(
    id: ConversationId,
    conversation: Conversation,
    known: number,
    current: () => boolean,
  ): Promise<void> {
    let common = known;
    let head = 0;
    for (let high = conversation.row.upTo; ; ) {
      const at = Math.ceil((common + high) / 2);
      const request = { conversationId: id, fromSeq: Math.max(1, at), limit: 1 };
      const page = await this.#relay.request("getEntries", request);
      if (!current()) return;
      head = page.head;
      if (common >= high) break;
      const stored = await logAt(this.#core, id, at);
      const [entry] = page.entries;
      if (stored && entry?.seq === at && sameOrigin(entry, stored.row)) common = at;
      else high = at - 1;
    }
    const lost = conversation.row.upTo - common;
    this.#core.ports.log.error("the relay has lost entries", { conversationId: id, lost });
    do {
      await this.#core.journal.run(() => rewind(this.#core, id, common, head));
    } while (conversation.row.upTo > common);
    this.#suspects.delete(id);
    this.#parted.delete(id);
    this.#changed(id);
    this.#rewound(conversation);
  }

  /** What could not be stored has to come again: from the last position, on a new connection. */
  #failed(generation: number, thrown: unknown): void {
    const error = DovetailError.from(thrown);
    if (generation !== this.#generation || error.code === "relay_unreachable") return;
    this.#core.ports.log.warn("synchronising failed", { code: error.code, message: error.message });
    this.#relay.restart(error);
  }
}

const isLast = (
  { upTo }: ConversationRow,
  newest: LogRow,
  entry: SequencedEntry | undefined,
): boolean => entry?.seq === upTo && sameOrigin(entry, newest);
