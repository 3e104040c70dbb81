import { utf8 } from "../../../shared/bytes.js";
import type { Conversation, Message } from "../../../shared/client-api.js";
import type { ConversationId, MessageId } from "../../../shared/ids.js";
import { MAX_TEXT_BYTES } from "../../../shared/limits.js";
import type { Host } from "../host-contract.js";
import { failureWords } from "../text/words.js";

const DRAFT_DELAY_MS = 400;
/** Typing is told again while it lasts: well within the time in which it fades at the other side. */
const TYPING_REPEAT_MS = 3_000;
const TYPING_IDLE_MS = 5_000;

/** What is being written in one conversation: draft, answer or change, typing, sending. */
export class Composer {
  readonly conversationId: ConversationId;
  text = $state("");
  failure = $state<string | null>(null);
  /** What is answered. */
  replyTo = $state.raw<Message | null>(null);
  /** The own message whose text is being changed; what was being written waits meanwhile. */
  editing = $state.raw<Message | null>(null);
  /** Grows when the person is to go on in the field. */
  calls = $state(0);
  readonly #host: Host;
  #kept: string;
  #waiting = "";
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
    if (this.editing) return;
    clearTimeout(this.#draftTimer);
    this.#draftTimer = setTimeout(() => this.keepDraft(), DRAFT_DELAY_MS);
    if (this.text.trim() === "") this.#stopTyping();
    else this.#tellTyping();
  }

  reply(message: Message): void {
    this.#endEdit();
    this.replyTo = message;
    this.calls++;
  }

  edit(message: Message): void {
    if (!this.editing) {
      this.keepDraft();
      this.#waiting = this.text;
    }
    this.#stopTyping();
    this.failure = null;
    this.replyTo = null;
    this.editing = message;
    this.text = message.text;
    this.calls++;
  }

  /** Gives up the answer or the change; false when there is neither. */
  cancel(): boolean {
    if (!this.editing && !this.replyTo) return false;
    this.#endEdit();
    this.replyTo = null;
    this.failure = null;
    return true;
  }

  /** A message is gone: nothing can answer or change it any more. */
  forget(messageId: MessageId): void {
    if (this.replyTo?.messageId === messageId) this.replyTo = null;
    if (this.editing?.messageId === messageId) this.#endEdit();
  }

  async send(): Promise<void> {
    if (!this.sendable) return;
    if (this.editing) return this.#change(this.editing);
    const { text, replyTo, conversationId } = this;
    this.text = "";
    this.replyTo = null;
    this.#stopTyping();
    // The kept draft stays until the message is in the outbox: a crash in between loses no word.
    clearTimeout(this.#draftTimer);
    try {
      const answer = replyTo ? { replyTo: replyTo.messageId } : {};
      await this.#host.call("messages.send", { conversationId, text, ...answer });
    } catch (thrown) {
      this.text = this.text === "" ? text : `${text}\n${this.text}`;
      this.replyTo ??= replyTo;
      this.failure = failureWords(thrown);
    }
    this.keepDraft();
  }

  keepDraft(): void {
    clearTimeout(this.#draftTimer);
    const text = this.text;
    // Too long a draft cannot be kept; the last one that fits stays.
    if (this.editing || text === this.#kept || this.tooLong) return;
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

  /** The field keeps the words until the change is taken. */
  async #change(message: Message): Promise<void> {
    const text = this.text;
    if (text === message.text) return this.#endEdit();
    try {
      await this.#host.call("messages.edit", { messageId: message.messageId, text });
      if (this.editing === message) this.#endEdit();
    } catch (thrown) {
      this.failure = failureWords(thrown);
    }
  }

  #endEdit(): void {
    if (!this.editing) return;
    this.editing = null;
    this.text = this.#waiting;
    this.#waiting = "";
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
