import { DovetailError } from "../../shared/errors.js";
import type { ConversationId, DeviceId, UserId } from "../../shared/ids.js";
import { MAX_PAGE_BYTES } from "../../shared/limits.js";
import type { ConversationState, Member, Person, SequencedEntry } from "../../shared/protocol.js";
import type { Clock } from "../../shared/runtime.js";
import { ENTRIES_PER_READ, MAX_CACHED_CONVERSATIONS, MAX_RECENT_ENTRIES } from "./bounds.js";
import { Conversation } from "./conversation.js";
import { asOf, sizeOf } from "./lifetime.js";
import { Lru } from "./lru.js";
import type { People } from "./people.js";
import type { LogStore, Placed } from "./ports.js";
import { SharedLooks } from "./shared-looks.js";
import { lastOf, pieceFrom, type Span } from "./spans.js";

/** The conversations that are in use, in memory, and all others in the store. */
export class Conversations {
  readonly #store: LogStore;
  readonly #people: People;
  readonly #clock: Clock;
  readonly #cache = new Lru<ConversationId, Conversation>(MAX_CACHED_CONVERSATIONS);
  readonly #loading = new Map<ConversationId, Promise<Conversation | null>>();
  readonly #shared: boolean;
  readonly #looks = new SharedLooks<Conversation, boolean>();

  /** `shared` where other nodes write to the store. */
  constructor(store: LogStore, people: People, clock: Clock, shared: boolean) {
    this.#shared = shared;
    this.#store = store;
    this.#people = people;
    this.#clock = clock;
  }

  async find(id: ConversationId): Promise<Conversation | null> {
    const cached = this.#cache.get(id);
    if (cached && !cached.stale) {
      if (!this.#shared || (await this.#looks.run(cached, () => this.#isCurrent(cached)))) {
        return cached;
      }
      this.invalidate(cached);
    }
    const running = this.#loading.get(id);
    if (running) return running;
    const loading: Promise<Conversation | null> = this.#load(
      id,
      () => this.#loading.get(id) === loading,
    ).finally(() => {
      if (this.#loading.get(id) === loading) this.#loading.delete(id);
    });
    this.#loading.set(id, loading);
    return loading;
  }

  /**
   * Another node may believe that it owns the log, and write to it. That refuses this one's writes, but
   * what it reads out or refuses itself has to be true as well. Members change by entries, so a log
   * that ends where it did has the same.
   */
  async #isCurrent(conversation: Conversation): Promise<boolean> {
    const { id, head } = conversation;
    const [next] = await this.#store.entries(id, head + 1, 1);
    if (next) {
      // It may be what this node is writing itself; and what was written on a condition was current.
      await conversation.writing;
      if (conversation.head === head) return false;
    }
    return !conversation.stale;
  }

  /**
   * As it is in the store, to read only. Another node may have moved cursors, of which the log's end says
   * nothing: what takes a client on in its inbox must have them.
   */
  async look(id: ConversationId): Promise<Conversation | null> {
    if (!this.#shared) return this.find(id);
    const stored = await this.#store.conversation(id, true);
    return stored && new Conversation(id, stored);
  }

  /** Other nodes own other conversations now, and may have written to any. */
  forgetAll(): void {
    // Whoever is about to write from one of them fetches it anew, and what is being written is not kept.
    for (const conversation of this.#cache.values()) conversation.stale = true;
    this.#cache.clear();
    this.#loading.clear();
  }

  /** @throws DovetailError `not_found` or `not_a_member`. */
  async ofMember(id: ConversationId, user: UserId): Promise<Conversation> {
    const conversation = await this.find(id);
    if (!conversation) throw new DovetailError("not_found", "There is no such conversation.");
    if (!conversation.has(user)) throw new DovetailError("not_a_member");
    return conversation;
  }

  /** Also of somebody who was a member once. @throws DovetailError `not_found` or `not_a_member`. */
  async ofReader(id: ConversationId, user: UserId): Promise<Conversation> {
    const conversation = await this.find(id);
    if (!conversation) throw new DovetailError("not_found", "There is no such conversation.");
    const spans = await this.spans(conversation, user);
    if (spans.length === 0) throw new DovetailError("not_a_member");
    return conversation;
  }

  /** The parts of the log that are the user's. */
  async spans(conversation: Conversation, user: UserId): Promise<readonly Span[]> {
    const known = conversation.spans(user);
    if (known) return known;
    const stored = await this.#store.spans(conversation.id, user);
    // What is remembered of strangers would grow with every one that asks.
    if (stored.length > 0) conversation.learnSpans(user, stored);
    return conversation.spans(user) ?? stored;
  }

  /** Takes one that was just committed, unless it was forgotten meanwhile: of others' cursors it may lack. */
  adopt(conversation: Conversation): void {
    if (!conversation.stale) this.#cache.set(conversation.id, conversation);
  }

  /** Somebody else wrote: what is in memory is not to be written from again. */
  invalidate(conversation: Conversation): void {
    conversation.stale = true;
    if (this.#cache.get(conversation.id) === conversation) this.#cache.delete(conversation.id);
  }

  /** What stood in that log before is no longer kept. */
  trimmed(id: ConversationId, first: number): void {
    this.#cache.get(id)?.trimmed(first);
  }

  async lastN(conversation: Conversation, device: DeviceId): Promise<number> {
    if (conversation.lastN(device) === undefined) {
      conversation.learnLastN(device, await this.#store.lastN(conversation.id, device));
    }
    return conversation.lastN(device) as number;
  }

  async byOrigin(
    conversation: Conversation,
    device: DeviceId,
    fromN: number,
    toN: number,
  ): Promise<readonly Placed[]> {
    // What many have been told directly, many hand in within a short time.
    const recent = conversation.recentOf(device, fromN, toN);
    return recent ?? this.#store.byOrigin(conversation.id, device, fromN, toN);
  }

  /**
   * A page of the entries that the user may have and that are kept: as many as the limit and
   * {@link MAX_PAGE_BYTES} allow, one at the least.
   */
  async page(
    conversation: Conversation,
    user: UserId,
    fromSeq: number,
    limit: number,
  ): Promise<Page> {
    const spans = await this.spans(conversation, user);
    const head = lastOf(spans, conversation.head);
    const from = Math.max(1, fromSeq, conversation.first);
    const piece = pieceFrom(spans, from, conversation.head);
    if (!piece) return { head, first: head + 1, entries: [] };
    const to = piece.to ?? Number.POSITIVE_INFINITY;
    const entries = await this.#read(conversation, piece.from, to, limit);
    const [oldest] = entries;
    const newest = entries.at(-1);
    // Meanwhile there may be more at the end, and less at the beginning.
    const last = Math.max(head, newest?.seq ?? 0);
    const none = limit > 0 ? (piece.to ?? last) + 1 : piece.from;
    return { head: last, first: Math.min(oldest?.seq ?? none, last + 1), entries };
  }

  async #read(
    conversation: Conversation,
    from: number,
    to: number,
    limit: number,
  ): Promise<readonly SequencedEntry[]> {
    const page: SequencedEntry[] = [];
    let bytes = 0;
    for (let next = from; page.length < limit && next <= to; ) {
      const wanted = Math.min(limit - page.length, ENTRIES_PER_READ, to + 1 - next);
      const more = (
        conversation.recentFrom(next)?.slice(0, wanted) ??
        (await this.#store.entries(conversation.id, next, wanted))
      ).filter(({ seq }) => seq <= to);
      if (page.length > 0 && more[0]?.seq !== next) break;
      for (const entry of more) {
        bytes += sizeOf(entry);
        if (bytes > MAX_PAGE_BYTES && page.length > 0) return this.#asOfNow(page);
        page.push(entry);
        next = entry.seq + 1;
      }
      if (more.length < wanted) break;
    }
    conversation.learnRecent(page.slice(-MAX_RECENT_ENTRIES));
    return this.#asOfNow(page);
  }

  #asOfNow(entries: readonly SequencedEntry[]): readonly SequencedEntry[] {
    const now = this.#clock.now();
    return entries.map((entry) => asOf(entry, now));
  }

  /** The conversation as that user may see it: of one that was a member once, no more than its past. */
  async state(conversation: Conversation, user: UserId): Promise<ConversationState> {
    if (conversation.has(user)) {
      const people = await this.people(conversation.members);
      return stateOf(conversation, people, conversation.head);
    }
    const spans = await this.spans(conversation, user);
    return { ...stateOf(conversation, new Map(), lastOf(spans, conversation.head)), members: [] };
  }

  async people(users: readonly UserId[]): Promise<ReadonlyMap<UserId, Person>> {
    const people = await Promise.all(users.map((user) => this.#people.user(user)));
    return new Map(people.filter((person) => person !== null).map((each) => [each.userId, each]));
  }

  /** `wanted` is false where all was forgotten since it was asked for. */
  async #load(id: ConversationId, wanted: () => boolean): Promise<Conversation | null> {
    const stored = await this.#store.conversation(id);
    if (!stored) return null;
    // Meanwhile it may have been committed to and adopted, and that is newer.
    const adopted = this.#cache.get(id);
    if (adopted && !adopted.stale) return adopted;
    const conversation = new Conversation(id, stored);
    if (wanted()) this.#cache.set(id, conversation);
    return conversation;
  }
}

interface Page {
  /** The last seq that the user may have. */
  readonly head: number;
  /** Of the first entry that there is from the one asked for on; `head + 1` where there is none. */
  readonly first: number;
  readonly entries: readonly SequencedEntry[];
}

/** `people` has everybody who is a member. */
export function stateOf(
  conversation: Conversation,
  people: ReadonlyMap<UserId, Person>,
  head: number,
): ConversationState {
  const { id: conversationId, kind, group } = conversation;
  const members = group.members
    .map(({ userId, admin }): Member | null => {
      const person = people.get(userId);
      if (!person) return null;
      const { deliveredUpTo, readUpTo } = conversation.cursor(userId);
      return { ...person, deliveredUpTo, readUpTo, admin };
    })
    .filter((member) => member !== null);
  const { epoch, restricted } = group;
  return { conversationId, kind, head, epoch, restricted, members };
}
