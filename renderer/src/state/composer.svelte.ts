import { utf8 } from "../../../shared/bytes.js";
import type { Conversation } from "../../../shared/client-api.js";
import type { ConversationId } from "../../../shared/ids.js";
import { MAX_TEXT_BYTES } from "../../../shared/limits.js";
import type { Host } from "../host-contract.js";
import { failureWords } from "../text/words.js";

const DRAFT_DELAY_MS = 400;
/** Typing is told again while it lasts: well within the time in which it fades at the other side. */
const TYPING_REPEAT_MS = 3_000;
const TYPING_IDLE_MS = 5_000;

/** What is being written in one conversation: draft, typing, sending. */
export class Composer {
  readonly conversationId: ConversationId;
  text = $state("");
  failure = $state<string | null>(null);
  readonly #host: Host;
  #kept: string;
  #draftTimer: ReturnType<typeof setTimeout> | undefined;
  #idleTimer: ReturnType<typeof setTimeout> | undefined;
  #typingToldAt = 0;
  readonly #bytes = $derived(utf8(this.text).length);
  readonly tooLong = $derived(this.#bytes > MAX_TEXT_BYTES);
  readonly sendable = $derived(this.text.trim() !== "" && !this.tooLong);

  constructor(host: Host, conversation: Conversation) {
    this.#host = host;
    this.conversationId = conversation.conversationId;
    this.text = conversation.draft;
    this.#kept = conversation.draft;
  }

  /** After every change of the text by the person. */
  typed(): void {
    this.failure = null;
    clearTimeout(this.#draftTimer);
    this.#draftTimer = setTimeout(() => this.keepDraft(), DRAFT_DELAY_MS);
    if (this.text.trim() === "") this.#stopTyping();
    else this.#tellTyping();
  }

  async send(): Promise<void> {
    if (!this.sendable) return;
    const text = this.text;
    this.text = "";
    this.#stopTyping();
    // The kept draft stays until the message is in the outbox: a crash in between loses no word.
    clearTimeout(this.#draftTimer);
    try {
      await this.#host.call("messages.send", { conversationId: this.conversationId, text });
    } catch (thrown) {
      this.text = this.text === "" ? text : `${text}\n${this.text}`;
      this.failure = failureWords(thrown);
    }
    this.keepDraft();
  }

  keepDraft(): void {
    clearTimeout(this.#draftTimer);
    const text = this.text;
    // Too long a draft cannot be kept; the last one that fits stays.
    if (text === this.#kept || this.tooLong) return;
    const before = this.#kept;
    this.#kept = text;
    const params = { conversationId: this.conversationId, text };
    this.#host.call("conversations.setDraft", params).catch(() => {
      if (this.#kept === text) this.#kept = before;
    });
  }

  close(): void {
    this.keepDraft();
    this.#stopTyping();
  }

  #tellTyping(): void {
    clearTimeout(this.#idleTimer);
    this.#idleTimer = setTimeout(() => this.#stopTyping(), TYPING_IDLE_MS);
    if (Date.now() - this.#typingToldAt < TYPING_REPEAT_MS) return;
    this.#typingToldAt = Date.now();
    this.#setTyping(true);
  }

  #stopTyping(): void {
    clearTimeout(this.#idleTimer);
    if (this.#typingToldAt === 0) return;
    this.#typingToldAt = 0;
    this.#setTyping(false);
  }

  #setTyping(active: boolean): void {
    // Best effort: typing fades by itself, and nobody misses it when it could not be told.
    this.#host
      .call("typing.set", { conversationId: this.conversationId, active })
      .catch(() => undefined);
  }
}
