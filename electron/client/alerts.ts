/** What the person is alerted to, on one of their devices. */
import type { ClientEvent, Message } from "../../shared/client-api.js";
import type { ConversationId, DeviceId } from "../../shared/ids.js";
import type { Timer } from "../../shared/runtime.js";
import type { Attention } from "./attention.js";
import type { Core } from "./core.js";
import { conversationView } from "./views.js";

/** Until a message in front is marked as read, and what came with it has come too. */
const SETTLE_MS = 300;
/** Conversations that wait for their alert; after a long absence more are counted in the list only. */
const MAX_WAITING = 64;
/** Conversations remembered whose alert was left to another device. */
const MAX_LEFT = 64;
/** Heartbeats after which the relay has certainly noticed that a device sleeps. */
const NOTICED_AFTER = 3;
/** Characters of a text; systems cut what is longer. */
const MAX_BODY_LENGTH = 200;

/** The newest message of a conversation that is not alerted to yet. */
interface Pending {
  readonly message: Message;
  /** When the relay got it, by its clock; here where it came directly. */
  readonly at: number;
}

interface Left extends Pending {
  readonly to: DeviceId;
  /** In monotonic milliseconds. */
  readonly leftAt: number;
}

export class Alerts {
  readonly #core: Core;
  readonly #attention: Attention;
  readonly #waiting = new Map<ConversationId, Pending & { readonly timer: Timer }>();
  /** Another device shows or alerts to these, if it is not asleep. The longest ago first. */
  readonly #left = new Map<ConversationId, Left>();
  readonly #unsubscribe: () => void;
  #noticedMs = 0;

  constructor(core: Core, attention: Attention) {
    this.#core = core;
    this.#attention = attention;
    this.#unsubscribe = core.events.subscribe((event) => this.#receive(event));
  }

  connected(heartbeatMs: number): void {
    this.#noticedMs = NOTICED_AFTER * heartbeatMs;
  }

  /** The other devices may have lost the relay as well: that they are not seen says nothing. */
  disconnected(): void {
    this.#left.clear();
  }

  /** What was left to a device that has gone is for another one now. */
  devicesChanged(): void {
    const now = this.#core.ports.clock.monotonic();
    for (const [conversationId, left] of [...this.#left]) {
      const { to, leftAt } = left;
      if (now - leftAt > this.#noticedMs) this.#left.delete(conversationId);
      else if (!this.#attention.isThere(to)) {
        this.#left.delete(conversationId);
        this.#tell(conversationId, left);
      }
    }
  }

  close(): void {
    this.#unsubscribe();
    for (const { timer } of this.#waiting.values()) timer.cancel();
    this.#waiting.clear();
    this.#left.clear();
  }

  #receive({ event, data }: ClientEvent): void {
    if (event === "message.added") this.#added(data);
    else if (event === "message.updated") {
      const { conversationId, messageId } = data;
      const waiting = this.#waiting.get(conversationId);
      if (waiting?.message.messageId === messageId) {
        this.#waiting.set(conversationId, { ...waiting, message: data });
      }
      const left = this.#left.get(conversationId);
      if (left?.message.messageId === messageId) {
        this.#left.set(conversationId, { ...left, message: data });
      }
    } else if (event === "message.removed") {
      const { conversationId, messageId } = data;
      const waiting = this.#waiting.get(conversationId);
      if (waiting?.message.messageId === messageId) {
        waiting.timer.cancel();
        this.#waiting.delete(conversationId);
      }
      if (this.#left.get(conversationId)?.message.messageId === messageId) {
        this.#left.delete(conversationId);
      }
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
    const { row } = this.#core.state.conversation(conversationId);
    if (row.head > row.upTo && this.#attention.online) {
      // One alert to all that was missed, not one a page.
      this.#waiting.set(conversationId, { ...waiting, timer: this.#later(conversationId) });
      return;
    }
    this.#waiting.delete(conversationId);
    this.#tell(conversationId, waiting);
  }

  #tell(conversationId: ConversationId, { message, at }: Pending): void {
    const { state, events, ports } = this.#core;
    const conversation = conversationView(state, state.conversation(conversationId));
    const { unread, title, kind, archived, mutedUntil, request, blocked } = conversation;
    const quiet = archived || request || blocked || (mutedUntil ?? 0) > ports.clock.now();
    if (quiet || message.deleted || message.state === "read") return;
    if (message.notice === null && unread === 0) return;
    if (this.#attention.sees(conversationId)) return;
    const owner = this.#attention.ownerOf(conversationId, at);
    if (owner !== state.self.deviceId) {
      this.#leave(conversationId, owner, { message, at });
      return;
    }
    this.#left.delete(conversationId);
    if (!state.settings.notifications) return;
    events.emit("alert", {
      conversationId,
      messageId: message.messageId,
      title: unread > 1 ? `${title} (${unread})` : title,
      body: bodyOf(message, kind === "group"),
    });
  }

  #leave(conversationId: ConversationId, to: DeviceId, { message, at }: Pending): void {
    this.#left.delete(conversationId);
    const [oldest] = this.#left.keys();
    if (oldest !== undefined && this.#left.size >= MAX_LEFT) this.#left.delete(oldest);
    this.#left.set(conversationId, {
      message,
      at,
      to,
      leftAt: this.#core.ports.clock.monotonic(),
    });
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
