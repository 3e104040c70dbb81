import type { Message } from "../../../shared/client-api.js";
import type { ConversationId, MessageId } from "../../../shared/ids.js";
import {
  type Loaded,
  MAX_LOADED,
  nothingLoaded,
  PAGE,
  withAround,
  withMessage,
  withNewer,
  withNewest,
  withOlder,
  withoutMessage,
} from "../history/loaded.js";
import { firstUnreadOf } from "../history/rows.js";
import type { Host } from "../host-contract.js";
import { failureWords } from "../text/words.js";

/** The most that messages.list gives at once. */
const MAX_PAGE = 500;
/** Messages above the unread line when a conversation opens there. */
const CONTEXT = 40;

type Fetch =
  | { readonly before: MessageId }
  | { readonly after: MessageId }
  | { readonly around: MessageId }
  | Record<never, never>;

/** A message that one jumped to; a new object each time, also to the same one. */
export interface Target {
  readonly messageId: MessageId;
  /** Whether the keyboard goes there as well, or stays where one steps through results. */
  readonly focus: boolean;
}

/** The loaded stretch of the conversation in front, kept current by events. */
export class MessageWindow {
  readonly conversationId: ConversationId;
  /** Unread messages when the conversation was opened: the line stays where it was then. */
  readonly #unreadAtOpen: number;
  readonly #host: Host;
  #loaded = $state.raw<Loaded>(nothingLoaded);
  ready = $state(false);
  failure = $state<string | null>(null);
  firstUnread = $state<string | null>(null);
  /** Whether the newest message is on screen and the view keeps to it. */
  #following = $state(true);
  /** Messages of others that came while the view was elsewhere. */
  missed = $state(0);
  /** Where one jumped last; null once one went on from there by oneself. */
  target = $state.raw<Target | null>(null);
  /** The last message of another person since opening, for those who listen. */
  latest = $state.raw<Message | null>(null);
  #markedRead: string | null = null;
  /** What events told while a page is under way; null when none is. */
  #overrides: Map<string, Message> | null = null;
  /** Taken away since a page was asked for. */
  readonly #removed = new Set<MessageId>();
  /** Grows when the newest page is asked for, so that a page asked for before is dropped. */
  #generation = 0;

  constructor(host: Host, conversationId: ConversationId, unread: number) {
    this.#host = host;
    this.conversationId = conversationId;
    this.#unreadAtOpen = unread;
  }

  get messages(): readonly Message[] {
    return this.#loaded.messages;
  }

  get atStart(): boolean {
    return this.#loaded.atStart;
  }

  get atEnd(): boolean {
    return this.#loaded.atEnd;
  }

  get following(): boolean {
    return this.#following;
  }

  set following(following: boolean) {
    this.#following = following;
    if (following) this.missed = 0;
  }

  /** Loads the page about a message unless it is loaded. False when there is no such message. */
  async openAround(messageId: MessageId, focus: boolean): Promise<boolean> {
    const isIt = (message: Message) => message.messageId === messageId;
    if (!this.ready || !this.messages.some(isIt)) {
      this.#generation++;
      this.#overrides = null;
      await this.#fetch({ around: messageId }, PAGE, (page, overrides) =>
        page.some(isIt) ? withAround(page, overrides) : this.#loaded,
      );
      if (!this.messages.some(isIt)) {
        if (!this.ready && this.failure === null) await this.openNewest();
        return false;
      }
      this.ready = true;
    }
    this.following = false;
    this.target = { messageId, focus };
    return true;
  }

  /** Drops what is loaded for the newest page; with unread messages, for as many as fit a page. */
  async openNewest(): Promise<void> {
    this.target = null;
    this.#generation++;
    this.#overrides = null;
    const limit = this.ready
      ? PAGE
      : Math.min(MAX_PAGE, Math.max(PAGE, this.#unreadAtOpen + CONTEXT));
    await this.#fetch({}, limit, (page, overrides) => withNewest(page, limit, overrides));
    if (!this.ready && this.failure === null) {
      this.firstUnread = firstUnreadOf(this.messages, this.#unreadAtOpen);
      this.ready = true;
    }
  }

  async loadOlder(): Promise<void> {
    const first = this.messages[0];
    if (!first || this.atStart) return;
    await this.#fetch({ before: first.messageId }, PAGE, (page, overrides) =>
      withOlder(this.#loaded, page, PAGE, overrides),
    );
  }

  async loadNewer(): Promise<void> {
    const last = this.messages.at(-1);
    if (!last || this.atEnd) return;
    await this.#fetch({ after: last.messageId }, PAGE, (page, overrides) =>
      withNewer(this.#loaded, page, PAGE, overrides),
    );
  }

  added(message: Message): void {
    if (message.mine) {
      this.following = true;
      this.firstUnread = null;
    } else {
      this.latest = message;
      if (!this.following) this.missed++;
    }
    if (message.mine && !this.atEnd && this.ready) void this.openNewest();
    else this.updated(message);
  }

  /** The last message of another person, once each: what reading up to the end marks as read. */
  takeUnmarked(): MessageId | null {
    const last = this.messages.findLast((message) => !message.mine)?.messageId ?? null;
    if (last === this.#markedRead) return null;
    this.#markedRead = last;
    return last;
  }

  /** Marking failed: the next occasion tries again. */
  unmark(): void {
    this.#markedRead = null;
  }

  updated(message: Message): void {
    this.#overrides?.set(message.messageId, message);
    // Past twice the bound the start goes even from under a reader: memory stays bounded.
    const trim = this.following || this.messages.length >= 2 * MAX_LOADED;
    if (this.ready) this.#loaded = withMessage(this.#loaded, message, trim);
  }

  removed(messageId: MessageId): void {
    this.#overrides?.delete(messageId);
    this.#removed.add(messageId);
    this.#loaded = withoutMessage(this.#loaded, messageId);
    if (this.latest?.messageId === messageId) this.latest = null;
  }

  async #fetch(
    where: Fetch,
    limit: number,
    join: (page: readonly Message[], overrides: ReadonlyMap<string, Message>) => Loaded,
  ): Promise<void> {
    if (this.#overrides) return;
    const generation = this.#generation;
    const overrides = new Map<string, Message>();
    this.#overrides = overrides;
    this.#removed.clear();
    try {
      const params = { conversationId: this.conversationId, limit, ...where };
      const page = await this.#host.call("messages.list", params);
      if (generation !== this.#generation) return;
      // The page may have been read before one of its messages was taken away.
      this.#loaded = [...this.#removed].reduce(withoutMessage, join(page, overrides));
      this.failure = null;
    } catch (thrown) {
      if (generation === this.#generation) this.failure = failureWords(thrown);
    } finally {
      if (generation === this.#generation) this.#overrides = null;
    }
  }
}
