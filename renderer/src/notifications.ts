import type { Message } from "../../shared/client-api.js";
import type { ConversationId } from "../../shared/ids.js";

/** Characters of a message that a notification shows. */
const MAX_BODY = 160;

/** Notifications by the page itself, for the browser host; Electron's main process has native ones. */
export class PageNotifications {
  readonly #open: (conversationId: ConversationId) => void;

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

  show(message: Message, title: string): void {
    if (this.permission !== "granted") return;
    const notification = new Notification(title, {
      body: message.text.slice(0, MAX_BODY),
      // One per conversation: a newer message takes the place of the one before.
      tag: message.conversationId,
      icon: "./icon.svg",
    });
    notification.addEventListener("click", () => {
      window.focus();
      this.#open(message.conversationId);
      notification.close();
    });
  }
}
