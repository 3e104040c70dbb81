import { SvelteMap } from "svelte/reactivity";
import type { Conversation } from "../../../shared/client-api.js";
import type { ConversationId } from "../../../shared/ids.js";
import type { Host } from "../host-contract.js";
import { isMuted } from "../text/conversation-words.js";

/** The most that conversations.list gives at once. */
const MAX_CONVERSATIONS = 1_000;

/** The conversations, apart as the list shows them. */
export class Conversations {
  readonly #host: Host;
  readonly #byId = new SvelteMap<ConversationId, Conversation>();
  /** What stands in for the time of the last message where there is none yet. */
  readonly #opened = new Map<ConversationId, number>();
  /** All of them, the most recently active first. */
  readonly all = $derived(
    [...this.#byId.values()].sort((a, b) => this.#activity(b) - this.#activity(a)),
  );
  readonly archived = $derived(this.all.filter(({ archived }) => archived));
  /** What the list shows: the pinned ones first. */
  readonly sorted = $derived(
    this.all
      .filter(({ archived }) => !archived)
      .sort((a, b) => Number(b.pinned) - Number(a.pinned)),
  );
  /** Of what the list shows and one has not muted. */
  readonly unread = $derived(
    this.sorted.reduce(
      (sum, conversation) => sum + (isMuted(conversation, Date.now()) ? 0 : conversation.unread),
      0,
    ),
  );

  constructor(host: Host) {
    this.#host = host;
  }

  get(id: ConversationId | null): Conversation | null {
    return id === null ? null : (this.#byId.get(id) ?? null);
  }

  async load(): Promise<void> {
    const all = await this.#host.call("conversations.list", { limit: MAX_CONVERSATIONS });
    this.#byId.clear();
    let activity = 0;
    for (const { conversationId, lastMessage } of all.toReversed()) {
      // The core's order places one without a message right above the next one that has any.
      activity = lastMessage?.sentAt ?? activity;
      if (!lastMessage) this.#opened.set(conversationId, activity);
    }
    for (const conversation of all) this.#byId.set(conversation.conversationId, conversation);
  }

  changed(conversation: Conversation): void {
    this.#byId.set(conversation.conversationId, conversation);
  }

  async open(handle: string): Promise<ConversationId> {
    const { conversationId } = await this.#host.call("conversations.open", { handle });
    this.#opened.set(conversationId, Date.now());
    await this.know(conversationId);
    return conversationId;
  }

  /** Fetches one that is not listed yet. */
  async know(conversationId: ConversationId): Promise<void> {
    if (this.#byId.has(conversationId)) return;
    this.changed(await this.#host.call("conversations.get", { conversationId }));
  }

  #activity({ conversationId, lastMessage }: Conversation): number {
    return lastMessage?.sentAt ?? this.#opened.get(conversationId) ?? 0;
  }
}
