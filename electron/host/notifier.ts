/** Decides which messages the system tells the person about. Knows no Electron: that shows them. */
import type { ClientApi, ClientEvent, Message } from "../../shared/client-api.js";
import type { ConversationId } from "../../shared/ids.js";
import type { Clock, Log } from "../../shared/runtime.js";

/**
 * Where the window is in front, the page marks what the person sees as read within this time; what
 * is unread after it is in a conversation that is not in front.
 */
const READ_MS = 1_000;
/** Conversations with a notification standing; more are counted in the sidebar only. */
const MAX_SHOWN = 8;
/** Characters of a message; systems cut what is longer. */
const MAX_BODY_LENGTH = 200;

export interface ShownNotification {
  close(): void;
}

export interface NotifierHost {
  isFocused(): boolean;
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
  readonly #client: ClientApi;
  readonly #host: NotifierHost;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #shown = new Map<ConversationId, ShownNotification>();
  readonly #waiting = new Set<ConversationId>();
  readonly #unsubscribe: () => void;

  constructor(client: ClientApi, host: NotifierHost, clock: Clock, log: Log) {
    this.#client = client;
    this.#host = host;
    this.#clock = clock;
    this.#log = log;
    this.#unsubscribe = client.subscribe((event) => this.#receive(event));
  }

  close(): void {
    this.#unsubscribe();
    for (const conversation of [...this.#shown.keys()]) this.#remove(conversation);
  }

  #receive({ event, data }: ClientEvent): void {
    if (event === "message.added" && !data.mine) this.#added(data);
    else if (event === "conversation.changed" && data.unread === 0) {
      // Read here, or on another device.
      this.#remove(data.conversationId);
    }
  }

  #added({ conversationId }: Message): void {
    // One look at a conversation serves all that arrives meanwhile: a catch-up brings hundreds.
    if (this.#waiting.has(conversationId)) return;
    this.#waiting.add(conversationId);
    this.#clock.after(this.#host.isFocused() ? READ_MS : 0, () => {
      this.#waiting.delete(conversationId);
      this.#tell(conversationId).catch((error: unknown) => {
        this.#log.warn("a notification was not shown", { error: String(error) });
      });
    });
  }

  async #tell(conversationId: ConversationId): Promise<void> {
    const { notifications } = await this.#client.call("settings.get", {});
    const conversation = await this.#client.call("conversations.get", { conversationId });
    const { unread, title, lastMessage } = conversation;
    if (!notifications || unread === 0 || !lastMessage || lastMessage.mine) return;
    this.#remove(conversationId);
    if (this.#shown.size >= MAX_SHOWN) return;
    const text = lastMessage.text.slice(0, MAX_BODY_LENGTH);
    const shown: ShownNotification = this.#host.show({
      title: unread > 1 ? `${title} (${unread})` : title,
      body: text,
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
