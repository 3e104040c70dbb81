import { createContext } from "svelte";
import type { Conversation, Message } from "../../../shared/client-api.js";
import { messageLink } from "../text/message-text.js";
import type { App } from "./app.svelte.js";
import type { Composer } from "./composer.svelte.js";

/** Where something opens, in CSS pixels of the window. */
export interface Place {
  readonly x: number;
  readonly y: number;
}

/** What is open about one message. */
export type Open =
  | { readonly kind: "menu" | "react"; readonly message: Message; readonly place: Place }
  | { readonly kind: "forward" | "delete" | "info"; readonly message: Message };

const SAID_MS = 2_500;

/** What people do with the messages of the conversation in front. */
export class MessageActions {
  readonly app: App;
  readonly composer: Composer;
  open = $state.raw<Open | null>(null);
  /** What was just done where nothing else shows it, for instance copied. */
  said = $state("");
  /** The words that are searched for, to be marked in the messages. */
  query = $state("");
  readonly #conversation: () => Conversation;
  #saidTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(app: App, conversation: () => Conversation, composer: Composer) {
    this.app = app;
    this.composer = composer;
    this.#conversation = conversation;
  }

  /** Whether one may write here at all: answer, react, change, pin. */
  get writable(): boolean {
    const { role, blocked } = this.#conversation();
    return role !== "none" && !blocked;
  }

  mayDeleteForAll(message: Message): boolean {
    const { kind, role } = this.#conversation();
    if (!this.writable || message.deleted) return false;
    return message.mine || (kind === "group" && role === "admin");
  }

  mayEdit(message: Message): boolean {
    return this.writable && message.mine && !message.deleted;
  }

  reply(message: Message): void {
    this.composer.reply(message);
  }

  edit(message: Message): void {
    this.composer.edit(message);
  }

  react(message: Message, emoji: string): void {
    const mine = message.reactions.find((reaction) => reaction.mine)?.emoji;
    const { messageId } = message;
    const params = { messageId, emoji: mine === emoji ? "" : emoji };
    void this.app.attempt(() => this.app.host.call("messages.react", params));
  }

  star({ messageId, starred }: Message): void {
    const params = { messageId, starred: !starred };
    void this.app.attempt(() => this.app.host.call("messages.star", params));
  }

  pin({ messageId, pinned }: Message): void {
    const params = { messageId, pinned: !pinned };
    void this.app.attempt(() => this.app.host.call("messages.pin", params));
  }

  copyText({ text }: Message): void {
    void this.#copy(text, "Text copied");
  }

  copyLink({ messageId }: Message): void {
    void this.#copy(messageLink(messageId), "Link copied");
  }

  say(words: string): void {
    this.said = words;
    clearTimeout(this.#saidTimer);
    this.#saidTimer = setTimeout(() => {
      this.said = "";
    }, SAID_MS);
  }

  async #copy(text: string, words: string): Promise<void> {
    await this.app.attempt(async () => {
      await navigator.clipboard.writeText(text);
      this.say(words);
    });
  }
}

export const [getActions, setActions] = createContext<MessageActions>();
