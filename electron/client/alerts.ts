/** What the person is alerted to, on one of their devices. */
import type { ClientEvent, Message } from "../../shared/client-api.js";
import type { ConversationId } from "../../shared/ids.js";
import type { Timer } from "../../shared/runtime.js";
import type { Attention } from "./attention.js";
import type { Core } from "./core.js";
import { conversationView } from "./views.js";

/** Until a message in front is marked as read, and what came with it has come too. */
const SETTLE_MS = 300;
/** Conversations that wait for their alert; after a long absence more are counted in the list only. */
const MAX_WAITING = 64;
/** Characters of a text; systems cut what is longer. */
const MAX_BODY_LENGTH = 200;

interface WaitingAlert {
  readonly message: Message;
  /** When the relay got it, by its clock; here where it came directly. */
  readonly at: number;
  readonly timer: Timer;
}

export class Alerts {
  readonly #core: Core;
  readonly #attention: Attention;
  /** The newest message of each. */
  readonly #waiting = new Map<ConversationId, WaitingAlert>();
  readonly #unsubscribe: () => void;

  constructor(core: Core, attention: Attention) {
    this.#core = core;
    this.#attention = attention;
    this.#unsubscribe = core.events.subscribe((event) => this.#receive(event));
  }

  close(): void {
    this.#unsubscribe();
    for (const { timer } of this.#waiting.values()) timer.cancel();
    this.#waiting.clear();
  }

  #receive({ event, data }: ClientEvent): void {
    if (event === "message.added") this.#added(data);
    else if (event === "message.updated") {
      const waiting = this.#waiting.get(data.conversationId);
      if (waiting?.message.messageId !== data.messageId) return;
      this.#waiting.set(data.conversationId, { ...waiting, message: data });
    } else if (event === "message.removed") {
      const waiting = this.#waiting.get(data.conversationId);
      if (waiting?.message.messageId === data.messageId) this.#drop(data.conversationId);
    }
  }

  #added(message: Message): void {
    if (!this.#concerns(message)) return;
    const { conversationId, seq } = message;
    const waiting = this.#waiting.get(conversationId);
    if (!waiting && this.#waiting.size >= MAX_WAITING) return;
    const { state, ports } = this.#core;
    const logged = seq === null ? null : state.conversation(conversationId).newest;
    const at = logged?.at ?? ports.clock.now() + state.skew;
    const timer = waiting?.timer ?? this.#later(conversationId);
    this.#waiting.set(conversationId, { message, at, timer });
  }

  #later(conversationId: ConversationId): Timer {
    return this.#core.ports.clock.after(SETTLE_MS, () => this.#settle(conversationId));
  }

  #settle(conversationId: ConversationId): void {
    const waiting = this.#waiting.get(conversationId);
    if (!waiting) return;
    const { state, events, ports } = this.#core;
    const conversation = conversationView(state, state.conversation(conversationId));
    // One alert to all that was missed, not one a page.
    if (conversation.behind > 0 && this.#attention.online) {
      this.#waiting.set(conversationId, { ...waiting, timer: this.#later(conversationId) });
      return;
    }
    this.#waiting.delete(conversationId);
    const { message, at } = waiting;
    const { unread, title, kind, archived, mutedUntil, request, blocked } = conversation;
    const quiet = archived || request || blocked || (mutedUntil ?? 0) > ports.clock.now();
    if (quiet || message.deleted || message.state === "read") return;
    if (message.notice === null && unread === 0) return;
    if (!this.#attention.alertsTo(conversationId, at)) return;
    events.emit("alert", {
      conversationId,
      messageId: message.messageId,
      title: unread > 1 ? `${title} (${unread})` : title,
      body: bodyOf(message, kind === "group"),
    });
  }

  #drop(conversationId: ConversationId): void {
    this.#waiting.get(conversationId)?.timer.cancel();
    this.#waiting.delete(conversationId);
  }

  /** What others wrote, and that one is in a group now. */
  #concerns({ mine, state, notice }: Message): boolean {
    if (mine || state === "read") return false;
    if (notice === null || notice.type === "created") return true;
    const self = this.#core.state.self.userId;
    return notice.type === "added" && notice.people.some(({ userId }) => userId === self);
  }
}

function bodyOf({ notice, fromName, text }: Message, group: boolean): string {
  if (notice) return `${fromName} added you`;
  const shown = [...text].slice(0, MAX_BODY_LENGTH).join("");
  return group ? `${fromName}: ${shown}` : shown;
}
