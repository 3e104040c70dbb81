import { createContext } from "svelte";
import type { ClientEvent, ConnectionState, Message } from "../../../shared/client-api.js";
import { DovetailError } from "../../../shared/errors.js";
import { type ConversationId, type MessageId, parseMessageId } from "../../../shared/ids.js";
import type { Host } from "../host-contract.js";
import { PageNotifications } from "../notifications.js";
import { failureWords } from "../text/words.js";
import { Attention } from "./attention.js";
import { PresentTime } from "./clock.svelte.js";
import { Composer } from "./composer.svelte.js";
import { Conversations } from "./conversations.svelte.js";
import { Devices } from "./devices.svelte.js";
import { Groups } from "./groups.svelte.js";
import { MessageWindow } from "./message-window.svelte.js";
import { Presence } from "./presence.svelte.js";
import { Session } from "./session.svelte.js";

const notYetKnown: ConnectionState = {
  relay: "connecting",
  relayUrl: "",
  retryAt: null,
  error: null,
  direct: [],
};

/** Everything shown, and the one subscriber that keeps it current. */
export class App {
  readonly host: Host;
  readonly session: Session;
  readonly devices: Devices;
  readonly conversations: Conversations;
  readonly groups: Groups;
  readonly presence: Presence;
  readonly time = new PresentTime();
  readonly #watchers = new Set<(event: ClientEvent) => void>();
  readonly notifications: PageNotifications | null;
  readonly attention: Attention;
  /** History is coming from another device. */
  #receiving = false;
  connection = $state.raw(notYetKnown);
  /** The local host is gone; only the browser host can lose it. */
  hostLost = $state(false);
  failure = $state<string | null>(null);
  settingsShown = $state(false);
  /** The starred messages of all conversations. */
  starredShown = $state(false);
  selected = $state<ConversationId | null>(null);
  window = $state.raw<MessageWindow | null>(null);
  composer = $state.raw<Composer | null>(null);
  readonly conversation = $derived.by(() => this.conversations.get(this.selected));

  constructor(host: Host) {
    this.host = host;
    this.session = new Session(host);
    this.devices = new Devices(host);
    this.conversations = new Conversations(host);
    this.groups = new Groups(host);
    this.presence = new Presence(host);
    this.notifications =
      host.kind === "browser" ? new PageNotifications((id) => this.#show(id)) : null;
    this.attention = new Attention(
      host,
      () => !this.notifications || this.notifications.permission === "granted",
    );
    host.subscribe((event) => {
      this.#receive(event);
      for (const listener of this.#watchers) listener(event);
    });
    host.onLost(() => {
      this.hostLost = true;
    });
    host.onBack(() => void this.#back());
    host.onOpenConversation((id) => this.#show(id));
  }

  /** For what is shown for a while and kept by itself; ends with the function returned. */
  watch(listener: (event: ClientEvent) => void): () => void {
    this.#watchers.add(listener);
    return () => this.#watchers.delete(listener);
  }

  async load(): Promise<void> {
    await this.session.load();
    this.connection = await this.host.call("connection.get", {});
    if (this.session.account) await this.#loadConversations();
  }

  async register(handle: string, displayName: string, invite: string): Promise<void> {
    await this.session.register(handle, displayName, invite);
    await this.#enter();
  }

  async link(code: string): Promise<void> {
    await this.session.link(code);
    await this.#enter();
  }

  select(id: ConversationId | null): void {
    if (id === this.selected) return;
    this.#open(id);
    void this.window?.openNewest();
  }

  /** Opens the conversation at a message; says so where there is no such message here. */
  async showMessage(messageId: MessageId, focus = true): Promise<void> {
    await this.attempt(async () => {
      const id = parseMessageId(messageId)?.conversationId;
      if (id === undefined) return;
      await this.conversations.know(id);
      if (id !== this.selected) this.#open(id);
      if (await this.window?.openAround(messageId, focus)) return;
      throw new DovetailError("not_found", "This message is not on this device.");
    });
  }

  #open(id: ConversationId | null): void {
    this.composer?.close();
    const conversation = this.conversations.get(id);
    this.selected = conversation ? id : null;
    this.attention.open(this.selected);
    this.composer = conversation ? new Composer(this.host, conversation) : null;
    this.window = conversation
      ? new MessageWindow(this.host, conversation.conversationId, conversation.unread)
      : null;
  }

  /** A group that was just made or joined. */
  async enterGroup(id: ConversationId): Promise<void> {
    await this.attempt(async () => {
      await this.conversations.know(id);
      this.select(id);
    });
  }

  async openWith(handle: string): Promise<void> {
    await this.attempt(async () => {
      this.select(await this.conversations.open(handle));
      await this.presence.ask([handle]);
    });
  }

  /** The next (1) or previous (-1) conversation in the list. */
  step(by: 1 | -1): void {
    const { sorted } = this.conversations;
    const at = sorted.findIndex(({ conversationId }) => conversationId === this.selected);
    const next = at === -1 ? sorted[0] : sorted[at + by];
    if (next) this.select(next.conversationId);
  }

  retry(): void {
    void this.attempt(() => this.host.call("connection.retry", {}));
  }

  /** Moves the read cursor when the newest message is in front of the person's eyes. */
  markRead(): void {
    const { conversation, window } = this;
    if (!conversation || conversation.unread === 0 || !document.hasFocus()) return;
    if (!window?.following || !window.atEnd) return;
    const messageId = window.takeUnmarked();
    if (messageId === null) return;
    const { conversationId } = conversation;
    this.host
      .call("conversations.markRead", { conversationId, messageId })
      .catch(() => window.unmark());
  }

  /** Runs what a person asked for; a failure is shown, never swallowed. */
  async attempt(action: () => Promise<unknown>): Promise<void> {
    try {
      this.failure = null;
      await action();
    } catch (thrown) {
      this.failure = failureWords(thrown);
    }
  }

  /** A notification may be about a conversation that is not listed yet. */
  #show(id: ConversationId): void {
    void this.attempt(async () => {
      await this.conversations.know(id);
      this.select(id);
    });
  }

  async #back(): Promise<void> {
    await this.attempt(() => this.load());
    this.hostLost = false;
    await this.window?.openNewest();
  }

  /** The form that brought one here is gone by now: what fails from here on is shown in the app. */
  #enter(): Promise<void> {
    return this.attempt(() => this.#loadConversations());
  }

  async #loadConversations(): Promise<void> {
    this.attention.again();
    await this.conversations.load();
    const handles = this.conversations.all.flatMap(({ members }) =>
      members.map(({ handle }) => handle),
    );
    await this.presence.ask([...new Set(handles)]);
  }

  #receive({ event, data }: ClientEvent): void {
    switch (event) {
      case "account.changed":
        this.session.account = data;
        break;
      case "devices.changed":
        this.devices.changed(data.devices);
        break;
      case "settings.changed":
        this.session.settings = data;
        break;
      case "connection.changed":
        this.connection = data;
        break;
      case "conversation.changed":
        this.#learnPresence(data.conversationId, data.members);
        this.conversations.changed(data);
        if (data.unread === 0) this.notifications?.withdraw(data.conversationId);
        break;
      case "transfer.changed":
        this.#transferred(data.transfers.some(({ direction }) => direction === "receiving"));
        break;
      case "presence.changed":
        this.presence.changed(data);
        break;
      case "alert":
        this.notifications?.show(data);
        break;
      case "typing.changed":
        this.presence.typingChanged(data);
        break;
      case "message.added":
        this.#added(data);
        break;
      case "message.updated":
        if (data.conversationId === this.selected) this.window?.updated(data);
        if (data.deleted) this.composer?.forget(data.messageId);
        break;
      case "message.removed":
        if (data.conversationId === this.selected) this.window?.removed(data.messageId);
        this.composer?.forget(data.messageId);
        break;
    }
  }

  /** What came in bulk was not told message by message. */
  #transferred(receiving: boolean): void {
    if (this.#receiving && !receiving && this.window?.atEnd) void this.window.openNewest();
    this.#receiving = receiving;
  }

  #learnPresence(id: ConversationId, members: readonly { readonly handle: string }[]): void {
    if (this.conversations.get(id)) return;
    // Best effort: presence comes by itself with the first change.
    this.presence.ask(members.map(({ handle }) => handle)).catch(() => undefined);
  }

  #added(message: Message): void {
    const { conversationId, from } = message;
    this.groups.told(message);
    if (!message.mine) this.presence.typingChanged({ conversationId, handle: from, active: false });
    if (conversationId === this.selected) this.#addedInFront(message);
  }

  #addedInFront(message: Message): void {
    const { window, conversation } = this;
    if (!window || !conversation) return;
    const seen = document.hasFocus() && window.following;
    // The core may tell of the unread count before or after the message itself.
    if (!message.mine && !seen && conversation.unread <= 1) {
      window.firstUnread = message.messageId;
    }
    window.added(message);
  }
}

export const [getApp, setApp] = createContext<App>();
