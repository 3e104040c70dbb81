/** What the methods of the client API do, once somebody is signed in. */
import type { Results, UserSummary, ValidParams } from "../../shared/client-api.js";
import { DovetailError } from "../../shared/errors.js";
import type { ConversationId, MessageId, UserId } from "../../shared/ids.js";
import type { Flag } from "./content.js";
import type { Core } from "./core.js";
import { setDraft } from "./directory.js";
import { Drafts } from "./drafts.js";
import type { Engine } from "./engine.js";
import { GroupCalls } from "./group-calls.js";
import type { Handlers } from "./handlers.js";
import { MessageCalls } from "./message-calls.js";
import { personOf } from "./people.js";
import { markRead } from "./receipts.js";
import type { RelayLink } from "./relay-link.js";
import { keys, settingsRow } from "./rows.js";
import { conversationView, isListed } from "./views.js";
import type { Waiting } from "./waiting.js";

export class Calls {
  readonly #core: Core;
  readonly #relay: RelayLink;
  readonly #waiting: Waiting;
  readonly #engine: () => Engine | null;
  readonly #messages: MessageCalls;
  readonly #groups: GroupCalls;
  readonly #drafts: Drafts;

  constructor(core: Core, relay: RelayLink, waiting: Waiting, engine: () => Engine | null) {
    this.#core = core;
    this.#relay = relay;
    this.#waiting = waiting;
    this.#engine = engine;
    this.#messages = new MessageCalls(core, engine);
    this.#groups = new GroupCalls(core, relay, {
      engine: () => this.#signedIn(),
      online: () => this.#online(),
      userOf: (handle) => this.#userOf(handle),
      queue: (conversation, body) => this.#messages.queue(conversation, body),
    });
    this.#drafts = new Drafts(core, (body, ttl) => this.#messages.personal(body, ttl));
  }

  close(): void {
    this.#drafts.close();
  }

  handlers(): Omit<
    Handlers,
    "account.register" | "account.link" | "account.get" | "connection.get"
  > {
    const { state, journal } = this.#core;
    const nothing = {};
    return {
      "devices.list": async () => {
        await this.#online();
        return this.#signedIn().devices.list();
      },
      "devices.pair": async () => {
        await this.#online();
        return this.#signedIn().devices.pair();
      },
      "devices.cancelPairing": async () => {
        await this.#signedIn().devices.cancel();
        return nothing;
      },
      "devices.remove": async ({ deviceId }) => {
        await this.#online();
        await this.#signedIn().devices.remove(deviceId);
        return nothing;
      },
      "users.search": ({ prefix, limit }) => this.#search(prefix, limit),
      "conversations.open": ({ handle }) => this.#openConversation(handle),
      "conversations.list": async ({ limit }) =>
        state
          .byActivity()
          .filter(isListed)
          .slice(0, limit)
          .map((each) => conversationView(state, each)),
      "conversations.get": async ({ conversationId }) =>
        conversationView(state, state.conversation(conversationId)),
      "conversations.markRead": async ({ conversationId, messageId }) => {
        await this.#markRead(conversationId, messageId);
        return nothing;
      },
      "conversations.setDraft": async ({ conversationId, text }) => {
        await journal.run(() => setDraft(this.#core, conversationId, text));
        this.#drafts.changed(conversationId);
        return nothing;
      },
      "conversations.setTimer": async ({ conversationId, seconds }) => {
        await this.#setTimer(conversationId, seconds);
        return nothing;
      },
      "conversations.pin": ({ conversationId, pinned }) =>
        this.#flag(conversationId, "pinned", Number(pinned)),
      "conversations.archive": ({ conversationId, archived }) =>
        this.#flag(conversationId, "archived", Number(archived)),
      "conversations.mute": ({ conversationId, until }) =>
        this.#flag(conversationId, "mutedUntil", until ?? 0),
      "conversations.accept": ({ conversationId }) => this.#flag(conversationId, "accepted", 1),
      ...this.#groups.handlers(),
      ...this.#messages.handlers(),
      "people.block": async ({ handle, blocked }) => {
        await this.#block(handle, blocked);
        return nothing;
      },
      "people.blocked": async () =>
        [...state.blocks.keys()]
          .filter((user) => state.isBlocked(user))
          .map((user) => personOf(state, user)),
      "presence.get": ({ handles }) => this.#presence(handles),
      "typing.set": async ({ conversationId, active }) => {
        const conversation = state.conversation(conversationId);
        this.#engine()?.direct.reach(conversation);
        this.#engine()?.typing.set(conversationId, active);
        return nothing;
      },
      "attention.set": async (use) => {
        if (use.conversationId !== null) void state.conversation(use.conversationId);
        this.#signedIn().attention.set(use);
        return nothing;
      },
      "connection.retry": async () => {
        this.#relay.refresh();
        return nothing;
      },
      "settings.get": async () => state.settings,
      "settings.set": (changes) => this.#set(changes),
    };
  }

  /** Waits for a connection that is being made. @throws DovetailError `relay_unreachable`. */
  async #online(): Promise<void> {
    void this.#core.state.self;
    this.#relay.retryNow();
    await this.#waiting.until(() => {
      if (this.#relay.state === "reconnecting" || this.#relay.state === "offline") {
        throw new DovetailError("relay_unreachable", undefined, { cause: this.#relay.error });
      }
      return this.#relay.connected;
    });
  }

  /** @throws DovetailError `not_registered`. */
  #signedIn(): Engine {
    const engine = this.#engine();
    if (!engine) throw new DovetailError("not_registered");
    return engine;
  }

  async #search(typed: string, limit: number): Promise<readonly UserSummary[]> {
    const prefix = typed.trim().replace(/^@/, "").toLowerCase();
    if (prefix === "") return [];
    const { state } = this.#core;
    void state.self;
    if (this.#relay.connected) {
      const { people } = await this.#relay.request("searchUsers", { prefix, limit });
      return people;
    }
    return [...state.people]
      .map(([userId, person]) => ({ userId, ...person }))
      .filter((person) => person.handle.startsWith(prefix))
      .sort((a, b) => (a.handle < b.handle ? -1 : 1))
      .slice(0, limit);
  }

  /** @throws DovetailError `not_found`, `relay_unreachable`. */
  async #userOf(handle: string): Promise<UserId> {
    const { state } = this.#core;
    if (handle === state.self.handle) return state.self.userId;
    const known = state.userByHandle(handle);
    if (known) return known;
    await this.#online();
    const { people } = await this.#relay.request("searchUsers", { prefix: handle, limit: 1 });
    const person = people[0];
    if (person?.handle !== handle) {
      throw new DovetailError("not_found", `Nobody here has the handle @${handle}.`);
    }
    return person.userId;
  }

  async #openConversation(handle: string): Promise<{ conversationId: ConversationId }> {
    const { state } = this.#core;
    const userId = await this.#userOf(handle);
    const notes = userId === state.self.userId;
    let conversation = [...state.conversations.values()].find(({ row }) =>
      notes
        ? row.kind === "notes"
        : row.kind === "direct" && row.members.some((member) => member.userId === userId),
    );
    if (!conversation) {
      await this.#online();
      const answer = await this.#relay.request("openConversation", { userId });
      await this.#signedIn().meet(answer.conversation);
      conversation = state.conversation(answer.conversation.conversationId);
    }
    const { conversationId } = conversation.row;
    if (notes && (conversation.flags.get("accepted")?.value ?? 0) === 0) {
      await this.#flag(conversationId, "accepted", 1);
    }
    await this.#engine()?.opened(conversation);
    return { conversationId };
  }

  async #markRead(conversationId: ConversationId, messageId: MessageId): Promise<void> {
    const mark = await this.#core.journal.run(() =>
      markRead(this.#core, conversationId, messageId),
    );
    if (!mark) return;
    const conversation = this.#core.state.conversation(conversationId);
    this.#engine()?.direct.tellRead(conversation, mark);
    this.#engine()?.read(conversationId);
  }

  /** Something that is set for a conversation on all own devices. */
  async #flag(
    conversationId: ConversationId,
    flag: Flag,
    value: number,
  ): Promise<Record<never, never>> {
    void this.#core.state.conversation(conversationId);
    await this.#messages.personal({ type: "flag", conversationId, flag, value });
    return {};
  }

  async #setTimer(conversationId: ConversationId, seconds: number): Promise<void> {
    const { state } = this.#core;
    const conversation = state.conversation(conversationId);
    if ((conversation.timer?.seconds ?? 0) === seconds) return;
    if (conversation.row.restricted && !state.own(conversation.row)?.admin) {
      throw new DovetailError("not_allowed");
    }
    await this.#messages.queue(conversation, { type: "timer", seconds });
  }

  /** The relay first: without it a blocked person would see one's presence. */
  async #block(handle: string, blocked: boolean): Promise<void> {
    const userId = await this.#userOf(handle);
    const { state, ports } = this.#core;
    if (userId === state.self.userId) {
      throw new DovetailError("not_allowed", "One cannot block oneself.");
    }
    if (state.isBlocked(userId) === blocked) return;
    await this.#online();
    await this.#relay.request("block", { userId, blocked });
    const at = ports.clock.now() + state.skew;
    await this.#messages.personal({ type: "block", userId, blocked, at });
  }

  async #presence(handles: readonly string[]): Promise<Results["presence.get"]> {
    const engine = this.#signedIn();
    const users = await Promise.all(handles.map((handle) => this.#userOf(handle)));
    if (this.#relay.connected && users.length > 0) await engine.presence.ask(users);
    return users.map((user, i) => ({
      ...engine.presence.stateOf(user),
      handle: handles[i] as string,
    }));
  }

  async #set(changes: ValidParams<"settings.set">): Promise<Results["settings.set"]> {
    const { state, journal, events } = this.#core;
    return journal.run(() => {
      const given = Object.entries(changes).filter(([, value]) => value !== undefined);
      const settings = { ...state.settings, ...Object.fromEntries(given) };
      return {
        writes: [{ type: "put", key: keys.settings, value: settingsRow.encode(settings) }],
        apply: () => {
          const direct = state.settings.directEnabled;
          state.settings = settings;
          if (settings.directEnabled !== direct)
            this.#engine()?.links.setEnabled(settings.directEnabled);
          events.emit("settings.changed", settings);
          return settings;
        },
      };
    });
  }
}
