/** Shows the core's alerts as the system's notifications. Knows no Electron: that shows them. */
import type { Alert, ClientApi, ClientEvent } from "../../shared/client-api.js";
import type { ConversationId } from "../../shared/ids.js";

/** Conversations with a notification standing; more are counted in the sidebar only. */
const MAX_SHOWN = 8;

export interface ShownNotification {
  close(): void;
}

export interface NotifierHost {
  show(notification: {
    readonly title: string;
    readonly body: string;
    clicked(): void;
    /** The person, or the system, took it away. */
    dismissed(): void;
  }): ShownNotification;
  openConversation(conversationId: ConversationId): void;
}

export class Notifier {
  readonly #host: NotifierHost;
  readonly #shown = new Map<ConversationId, ShownNotification>();
  readonly #unsubscribe: () => void;

  constructor(client: Pick<ClientApi, "subscribe">, host: NotifierHost) {
    this.#host = host;
    this.#unsubscribe = client.subscribe((event) => this.#receive(event));
  }

  close(): void {
    this.#unsubscribe();
    for (const conversation of [...this.#shown.keys()]) this.#remove(conversation);
  }

  #receive({ event, data }: ClientEvent): void {
    if (event === "alert") this.#show(data);
    else if (event === "conversation.changed" && data.unread === 0) {
      // Read here, or on another device.
      this.#remove(data.conversationId);
    }
  }

  #show({ conversationId, title, body }: Alert): void {
    this.#remove(conversationId);
    if (this.#shown.size >= MAX_SHOWN) return;
    const shown: ShownNotification = this.#host.show({
      title,
      body,
      clicked: () => {
        this.#remove(conversationId);
        this.#host.openConversation(conversationId);
      },
      dismissed: () => {
        if (this.#shown.get(conversationId) === shown) this.#shown.delete(conversationId);
      },
    });
    this.#shown.set(conversationId, shown);
  }

  #remove(conversationId: ConversationId): void {
    const shown = this.#shown.get(conversationId);
    this.#shown.delete(conversationId);
    shown?.close();
  }
}
