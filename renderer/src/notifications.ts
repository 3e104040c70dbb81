import type { Alert } from "../../shared/client-api.js";
import type { ConversationId } from "../../shared/ids.js";

/** Conversations with a notification standing; more are counted in the sidebar only. */
const MAX_SHOWN = 8;

/** Notifications by the page itself, for the browser host; Electron's main process has native ones. */
export class PageNotifications {
  readonly #open: (conversationId: ConversationId) => void;
  readonly #shown = new Map<ConversationId, Notification>();

  constructor(open: (conversationId: ConversationId) => void) {
    this.#open = open;
  }

  get permission(): NotificationPermission {
    return "Notification" in window ? Notification.permission : "denied";
  }

  /** Only from a click: browsers refuse to ask otherwise. */
  async askPermission(): Promise<NotificationPermission> {
    return "Notification" in window ? Notification.requestPermission() : "denied";
  }

  show({ conversationId, title, body }: Alert): void {
    if (this.permission !== "granted") return;
    if (!this.#shown.has(conversationId) && this.#shown.size >= MAX_SHOWN) return;
    const notification = new Notification(title, {
      body,
      // One per conversation: a newer takes the place of the one before, another page's too.
      tag: conversationId,
      icon: "./icon.svg",
    });
    this.#shown.set(conversationId, notification);
    notification.addEventListener("close", () => {
      if (this.#shown.get(conversationId) === notification) this.#shown.delete(conversationId);
    });
    notification.addEventListener("click", () => {
      window.focus();
      this.#open(conversationId);
      notification.close();
    });
  }

  /** What it was about has been read, here or on another device. */
  withdraw(conversationId: ConversationId): void {
    this.#shown.get(conversationId)?.close();
    this.#shown.delete(conversationId);
  }
}
