/** What the people of a world remember: what they asked for, were told, and can point at. */
import type { Message } from "../../shared/client-api.js";
import type { ConversationId, MessageId } from "../../shared/ids.js";
import { Wishes } from "./wishes.js";

export class Memory {
  /** Codes of invite links, of whatever group. */
  readonly codes: string[] = [];
  /** By message. */
  readonly edits = new Wishes<string>();
  readonly erasures = new Wishes<boolean>();
  readonly pins = new Wishes<boolean>();
  /** By {@link own} message. */
  readonly reactions = new Wishes<string>();
  readonly stars = new Wishes<boolean>();
  readonly hidings = new Wishes<boolean>();
  /** By {@link own} conversation and flag, and by own conversation. */
  readonly flags = new Wishes<boolean>();
  readonly drafts = new Wishes<string>();
  /** By {@link own} handle. */
  readonly blocks = new Wishes<boolean>();
  /** What was written first, of messages that somebody wanted changed. */
  readonly #originals = new Map<MessageId, string>();

  /** To be called before anything is made of it. */
  saw({ messageId, text, edited, deleted }: Message): void {
    if (!edited && !deleted && !this.#originals.has(messageId))
      this.#originals.set(messageId, text);
  }

  /** The text with which a message was sent. */
  original({ messageId, text }: Message): string {
    return this.#originals.get(messageId) ?? text;
  }
}

/** What a user has for itself of something that others have as well. */
export const own = (handle: string, thing: ConversationId | MessageId | string): string =>
  `${handle} ${thing}`;
