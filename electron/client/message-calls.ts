/** What the methods of the client API do with messages. */
import { utf8 } from "../../shared/bytes.js";
import type { Receipt, Results, ValidParams } from "../../shared/client-api.js";
import { DovetailError } from "../../shared/errors.js";
import {
  type ConversationId,
  type MessageId,
  messageIdOf,
  type Origin,
  parseMessageId,
} from "../../shared/ids.js";
import type { Body } from "./content.js";
import { decodeContent, isWritten, MAX_EXCERPT_BYTES } from "./content.js";
import { type Core, unchanged } from "./core.js";
import type { Engine } from "./engine.js";
import { addOwn } from "./entries.js";
import { findMessage } from "./find.js";
import type { Found } from "./found.js";
import type { Handlers } from "./handlers.js";
import { listMessages, loggedOf, messageAt, visible } from "./history.js";
import type { Change } from "./journal.js";
import { personOf } from "./people.js";
import { keys, seqOfKey } from "./rows.js";
import type { Conversation } from "./state.js";
import { messageOf } from "./views.js";

type Methods = Extract<keyof Handlers, `messages.${string}`>;

/** Rows read at once while searching. */
const SEARCH_PAGE = 500;

export class MessageCalls {
  readonly #core: Core;
  readonly #engine: () => Engine | null;

  constructor(core: Core, engine: () => Engine | null) {
    this.#core = core;
    this.#engine = engine;
  }

  handlers(): Pick<Handlers, Methods> {
    const nothing = {};
    return {
      "messages.send": ({ conversationId, text, replyTo }) =>
        this.#send(conversationId, text, replyTo),
      "messages.list": (params) => listMessages(this.#core, params),
      "messages.get": async ({ messageId }) => {
        const { conversation, origin } = await findMessage(this.#core, messageId);
        const message = await messageAt(this.#core, conversation, origin);
        if (!message) throw new DovetailError("not_found", "There is no such message here.");
        return message;
      },
      "messages.forward": ({ messageId, to }) => this.#forward(messageId, to),
      "messages.edit": async ({ messageId, text }) => {
        const { conversation, origin } = await this.#written(messageId, true);
        await this.queue(conversation, { type: "edit", target: origin, text });
        return nothing;
      },
      "messages.delete": async (params) => {
        await this.#delete(params);
        return nothing;
      },
      "messages.react": async ({ messageId, emoji }) => {
        const { conversation, origin } = await this.#written(messageId, false);
        await this.queue(conversation, { type: "react", target: origin, emoji });
        return nothing;
      },
      "messages.star": async ({ messageId, starred }) => {
        const { conversation, origin } = await this.#written(messageId, false);
        const { conversationId } = conversation.row;
        await this.personal({ type: "star", conversationId, target: origin, on: starred });
        return nothing;
      },
      "messages.pin": async ({ messageId, pinned }) => {
        const { conversation, origin } = await this.#written(messageId, false);
        await this.queue(conversation, { type: "pin", target: origin, on: pinned });
        return nothing;
      },
      "messages.starred": (params) => this.#starred(params),
      "messages.pinned": ({ conversationId }) => this.#pinned(conversationId),
      "messages.search": (params) => this.#search(params),
      "messages.at": (params) => this.#at(params),
      "messages.receipts": ({ messageId }) => this.#receipts(messageId),
    };
  }

  /**
   * Queues an entry of one's own.
   * @throws DovetailError `not_a_member`, `blocked`.
   */
  async queue(
    conversation: Conversation,
    body: Body | (() => Promise<Body>),
    ttl = 0,
  ): Promise<MessageId> {
    return (await this.#queue(conversation, body, ttl)) as MessageId;
  }

  /** Null where in its turn there is nothing to say any more. */
  async #queue(
    conversation: Conversation,
    body: Body | (() => Promise<Body | null>),
    ttl: number,
  ): Promise<MessageId | null> {
    const { state, journal } = this.#core;
    const { row } = conversation;
    if (!state.own(row)) throw new DovetailError("not_a_member");
    if (row.kind === "direct" && state.others(row).some((user) => state.isBlocked(user))) {
      throw new DovetailError("blocked");
    }
    // What has to be looked up is looked up in its turn, so that nothing said later overtakes it.
    const origin = await journal.run(async (): Promise<Change<Origin | null>> => {
      const said = typeof body === "function" ? await body() : body;
      return said ? addOwn(this.#core, row.conversationId, said, ttl) : unchanged(null);
    });
    if (!origin) return null;
    this.#engine()?.queued(conversation);
    return messageIdOf(row.conversationId, origin);
  }

  /**
   * Queues what is for the own devices alone.
   * @throws DovetailError `relay_unreachable` before the notes, which carry it, are known.
   */
  async personal(body: Body | (() => Promise<Body | null>), ttl = 0): Promise<void> {
    const { notes } = this.#core.state;
    if (!notes) throw new DovetailError("relay_unreachable", "This is possible once connected.");
    await this.#queue(notes, body, ttl);
  }

  async #send(
    conversationId: ConversationId,
    text: string,
    replyTo: MessageId | undefined,
  ): Promise<{ messageId: MessageId }> {
    void this.#core.state.self;
    const conversation = this.#core.state.conversation(conversationId);
    const ttl = conversation.timer?.seconds ?? 0;
    const answer = async (to: MessageId): Promise<Body> => {
      const reply = await this.#quote(conversationId, to);
      return { type: "message", text, reply, forwarded: false };
    };
    const body: Body | (() => Promise<Body>) =
      replyTo === undefined ? { type: "text", text } : () => answer(replyTo);
    return { messageId: await this.queue(conversation, body, ttl) };
  }

  async #quote(conversationId: ConversationId, replyTo: MessageId) {
    const { conversation, origin, found } = await this.#written(replyTo, false);
    if (conversation.row.conversationId !== conversationId) {
      throw new DovetailError("not_found", "The message to answer is in another conversation.");
    }
    const { text } = messageOf(this.#core.state, conversation, found);
    const { userId } = found.kind === "log" ? found.row : found.entry;
    return { target: origin, userId, excerpt: excerptOf(text) };
  }

  async #forward(
    messageId: MessageId,
    to: readonly ConversationId[],
  ): Promise<Results["messages.forward"]> {
    const targets = [...new Set(to)].map((id) => this.#core.state.conversation(id));
    // Looked up in its turn: what is sent after it stands after it.
    const body = async (): Promise<Body> => {
      const { conversation, found } = await this.#written(messageId, false);
      const { text } = messageOf(this.#core.state, conversation, found);
      return { type: "message", text, reply: null, forwarded: true };
    };
    const queued = targets.map((target) => this.queue(target, body, target.timer?.seconds ?? 0));
    return { messageIds: await Promise.all(queued) };
  }

  async #delete(params: ValidParams<"messages.delete">): Promise<void> {
    const { conversation, origin, found } = await findMessage(this.#core, params.messageId);
    const { conversationId } = conversation.row;
    if (params.for === "me") {
      await this.personal({ type: "hide", conversationId, target: origin });
      return;
    }
    const { state } = this.#core;
    const { userId } = found.kind === "log" ? found.row : found.entry;
    const mine = userId === state.self.userId;
    const admin = conversation.row.kind === "group" && state.own(conversation.row)?.admin;
    if (!mine && !admin) throw new DovetailError("not_allowed");
    await this.queue(conversation, { type: "erase", target: origin });
  }

  /**
   * What somebody wrote and nobody deleted.
   * @throws DovetailError `not_found`, `not_allowed` where it has to be an own one.
   */
  async #written(
    messageId: MessageId,
    own: boolean,
  ): Promise<{ conversation: Conversation; origin: Origin; found: Found }> {
    const result = await findMessage(this.#core, messageId);
    const entry = result.found.kind === "log" ? result.found.row : result.found.entry;
    const { body } = decodeContent(entry.payload, entry.at);
    const there = visible(this.#core, result.conversation, [result.found]).length > 0;
    if (!there || !isWritten(body) || entry.marks?.deleted) {
      throw new DovetailError("not_found", "There is no such message any more.");
    }
    if (own && entry.userId !== this.#core.state.self.userId) {
      throw new DovetailError("not_allowed", "Only its author may change a message.");
    }
    return result;
  }

  async #starred({
    conversationId,
    limit,
  }: ValidParams<"messages.starred">): Promise<Results["messages.starred"]> {
    const latest = [...this.#core.state.stars]
      .filter(([, { on }]) => on)
      .sort(([, a], [, b]) => (a.writing < b.writing ? 1 : -1));
    const messages = [];
    for (const [messageId] of latest) {
      const parsed = parseMessageId(messageId);
      const conversation = parsed && this.#core.state.conversations.get(parsed.conversationId);
      if (!conversation) continue;
      if (conversationId && conversation.row.conversationId !== conversationId) continue;
      const message = await messageAt(this.#core, conversation, parsed.origin);
      // It may have been taken away while it was read.
      if (message?.starred) messages.push(message);
      if (messages.length === limit) break;
    }
    return messages;
  }

  async #pinned(id: ConversationId): Promise<Results["messages.pinned"]> {
    const conversation = this.#core.state.conversation(id);
    const pins = conversation.pins.filter(({ on }) => on).reverse();
    const messages = await Promise.all(pins.map((pin) => messageAt(this.#core, conversation, pin)));
    // It may have been taken away while it was read.
    return messages
      .filter((message) => message !== null)
      .filter((each) => each.pinned && !each.deleted);
  }

  async #search({
    conversationId,
    query,
    before,
    limit,
  }: ValidParams<"messages.search">): Promise<Results["messages.search"]> {
    const words = query.toLowerCase().split(/\s+/);
    const found: Results["messages.search"][number][] = [];
    let last = before;
    while (found.length < limit) {
      const params = { conversationId, before: last, after: undefined, around: undefined };
      const page = await listMessages(this.#core, { ...params, limit: SEARCH_PAGE });
      for (const message of [...page].reverse()) {
        const text = message.text.toLowerCase();
        if (words.every((word) => text.includes(word))) found.push(message);
        if (found.length === limit) break;
      }
      if (page.length < SEARCH_PAGE) break;
      last = page[0]?.messageId;
    }
    return found;
  }

  /** By halving: the times of a log grow, as the relay gives them. */
  async #at({ conversationId, time }: ValidParams<"messages.at">): Promise<Results["messages.at"]> {
    const conversation = this.#core.state.conversation(conversationId);
    const wanted = time + this.#core.state.skew;
    const from = async (seq: number) => {
      const [row] = await this.#core.ports.store.range({
        from: keys.shown(conversationId, seq),
        to: keys.shown(conversationId, conversation.row.upTo + 1),
        limit: 1,
      });
      return row;
    };
    let low = 1;
    let high = conversation.row.upTo + 1;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const row = await from(middle);
      const found = row && loggedOf(row);
      if (!found || (found.kind === "log" && found.row.at >= wanted)) high = middle;
      else low = seqOfKey(row.key) + 1;
    }
    const row = await from(low);
    const found = row ? visible(this.#core, conversation, [loggedOf(row)]) : [];
    const first = found[0] ?? this.#tailFrom(conversation, time);
    const messageId = first ? messageOf(this.#core.state, conversation, first).messageId : null;
    return { messageId };
  }

  #tailFrom(conversation: Conversation, time: number): Found | undefined {
    const entry = conversation.tail.find((each) => each.shown && each.at >= time);
    return entry && { kind: "tail", entry };
  }

  async #receipts(messageId: MessageId): Promise<Results["messages.receipts"]> {
    const { conversation, found } = await this.#written(messageId, true);
    const { state } = this.#core;
    await this.#engine()?.refresh(conversation);
    const { row } = conversation;
    return row.members
      .filter(({ userId }) => userId !== state.self.userId)
      .map(({ userId, deliveredUpTo, readUpTo }): Receipt => {
        const person = personOf(state, userId);
        if (found.kind === "log") {
          const done =
            readUpTo >= found.seq ? "read" : deliveredUpTo >= found.seq ? "delivered" : "sent";
          return { ...person, state: found.row.floor === "read" ? "read" : done };
        }
        const held = found.entry.heldBy.some((holder) => holder.userId === userId);
        return { ...person, state: held ? "delivered" : "sent" };
      });
  }
}

/** What a reply shows of a message, cut between characters. */
function excerptOf(text: string): string {
  let excerpt = "";
  let bytes = 0;
  for (const character of text) {
    bytes += utf8(character).length;
    if (bytes > MAX_EXCERPT_BYTES) return excerpt;
    excerpt += character;
  }
  return excerpt;
}
