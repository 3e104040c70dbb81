import { DovetailError } from "../../shared/errors.js";
import {
  type ConversationId,
  type DeviceId,
  directConversationId,
  type UserId,
} from "../../shared/ids.js";
import { MAX_PAGE_BYTES } from "../../shared/limits.js";
import type { ConversationState, Member, SequencedEntry } from "../../shared/protocol.js";
import type { Crypto } from "../../shared/runtime.js";
import { ENTRIES_PER_READ, MAX_CACHED_CONVERSATIONS, MAX_RECENT_ENTRIES } from "./bounds.js";
import { Conversation } from "./conversation.js";
import { Lru } from "./lru.js";
import type { People } from "./people.js";
import type { LogStore } from "./ports.js";

/** The conversations that are in use, in memory, and all others in the store. */
export class Conversations {
  readonly #store: LogStore;
  readonly #people: People;
  readonly #crypto: Crypto;
  readonly #cache = new Lru<ConversationId, Conversation>(MAX_CACHED_CONVERSATIONS);
  readonly #loading = new Map<ConversationId, Promise<Conversation | null>>();

  constructor(store: LogStore, people: People, crypto: Crypto) {
    this.#store = store;
    this.#people = people;
    this.#crypto = crypto;
  }

  async find(id: ConversationId): Promise<Conversation | null> {
    const cached = this.#cache.get(id);
    if (cached && !cached.stale) return cached;
    const running = this.#loading.get(id);
    if (running) return running;
    const loading = this.#load(id).finally(() => this.#loading.delete(id));
    this.#loading.set(id, loading);
    return loading;
  }

  /** @throws DovetailError `not_found` or `not_a_member`. */
  async ofMember(id: ConversationId, user: UserId): Promise<Conversation> {
    const conversation = await this.find(id);
    if (!conversation) throw new DovetailError("not_found", "There is no such conversation.");
    if (!conversation.members.includes(user)) throw new DovetailError("not_a_member");
    return conversation;
  }

  /** Takes one that was just committed. */
  adopt(conversation: Conversation): void {
    this.#cache.set(conversation.id, conversation);
  }

  /** Somebody else wrote: what is in memory is not to be written from again. */
  invalidate(conversation: Conversation): void {
    conversation.stale = true;
    if (this.#cache.get(conversation.id) === conversation) this.#cache.delete(conversation.id);
  }

  async lastN(conversation: Conversation, device: DeviceId): Promise<number> {
    if (conversation.lastN(device) === undefined) {
      conversation.learnLastN(device, await this.#store.lastN(conversation.id, device));
    }
    return conversation.lastN(device) as number;
  }

  byOrigin(
    conversation: Conversation,
    device: DeviceId,
    fromN: number,
    toN: number,
  ): Promise<readonly SequencedEntry[]> {
    return this.#store.byOrigin(conversation.id, device, fromN, toN);
  }

  /** A page of entries: as many as the limit and {@link MAX_PAGE_BYTES} allow, one at the least. */
  async page(
    conversation: Conversation,
    fromSeq: number,
    limit: number,
  ): Promise<readonly SequencedEntry[]> {
    const first = Math.max(1, fromSeq);
    const page: SequencedEntry[] = [];
    let bytes = 0;
    while (page.length < limit) {
      const from = first + page.length;
      const wanted = Math.min(limit - page.length, ENTRIES_PER_READ);
      const more =
        conversation.recentFrom(from)?.slice(0, wanted) ??
        (await this.#store.entries(conversation.id, from, wanted));
      for (const entry of more) {
        bytes += entry.payload.length;
        if (bytes > MAX_PAGE_BYTES && page.length > 0) return page;
        page.push(entry);
      }
      if (more.length < wanted) break;
    }
    conversation.learnRecent(page.slice(-MAX_RECENT_ENTRIES));
    return page;
  }

  async state(conversation: Conversation): Promise<ConversationState> {
    const members = await Promise.all(
      conversation.members.map(async (user): Promise<Member> => {
        const person = await this.#people.user(user);
        if (!person) throw new DovetailError("internal", "A member is not in the directory.");
        return { ...person, ...conversation.cursor(user), admin: false };
      }),
    );
    return {
      conversationId: conversation.id,
      kind: conversation.kind,
      head: conversation.head,
      epoch: 0,
      restricted: false,
      members,
    };
  }

  /** Whether the two may see each other's presence and signal each other. */
  async acquainted(a: UserId, b: UserId): Promise<boolean> {
    if (a === b) return true;
    return (await this.find(directConversationId(a, b, this.#crypto.sha256))) !== null;
  }

  async #load(id: ConversationId): Promise<Conversation | null> {
    const stored = await this.#store.conversation(id);
    if (!stored) return null;
    // Meanwhile it may have been committed to and adopted, and that is newer.
    const adopted = this.#cache.get(id);
    if (adopted && !adopted.stale) return adopted;
    const conversation = new Conversation(id, stored);
    this.#cache.set(id, conversation);
    return conversation;
  }
}
