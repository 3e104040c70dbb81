/** The client core: what a host opens, and the client API that it gives to whatever shows it. */
import type {
  Account,
  ClientApi,
  ClientEvent,
  ConnectionState,
  Method,
  Params,
  Results,
  UserSummary,
  ValidParams,
} from "../../shared/client-api.js";
import { isMethod, methods } from "../../shared/client-methods.js";
import { DovetailError } from "../../shared/errors.js";
import type { ConversationId, MessageId, UserId } from "../../shared/ids.js";
import type { Core } from "./core.js";
import { meetWithCursors, setDraft } from "./directory.js";
import { Engine } from "./engine.js";
import { addOwn } from "./entries.js";
import { Emitter } from "./events.js";
import { listMessages } from "./history.js";
import { HybridClock } from "./hlc.js";
import { Journal } from "./journal.js";
import type { ClientOptions, ClientPorts, DeviceKey } from "./ports.js";
import { markRead } from "./receipts.js";
import { RelayLink, type Welcome } from "./relay-link.js";
import { accountRow, keys, settingsRow } from "./rows.js";
import { ClientState } from "./state.js";
import { conversationView } from "./views.js";

/** How long a call that needs the relay waits for a connection that is being made. */
const CONNECT_MS = 10_000;

type Handlers = { [M in Method]: (params: ValidParams<M>) => Promise<Results[M]> };

export class Client implements ClientApi {
  readonly #core: Core;
  readonly #relay: RelayLink;
  readonly #handlers: Handlers;
  #key: DeviceKey | null;
  #engine: Engine | null = null;
  #registering = false;
  #closed = false;
  /** Called whenever the connection's state changed. */
  readonly #watchers = new Set<() => void>();

  private constructor(core: Core, key: DeviceKey | null) {
    this.#core = core;
    this.#key = key;
    this.#handlers = this.#makeHandlers();
    this.#relay = new RelayLink(core.ports, core.options, {
      connected: (welcome, relay) => this.#connected(welcome, relay),
      disconnected: () => this.#engine?.disconnected(),
      push: (frame) => this.#engine?.push(frame),
      changed: () => this.#connectionChanged(),
    });
  }

  /**
   * Opens a profile. The store stays the caller's until this resolves; then `close` closes it.
   * @throws DovetailError `profile_corrupt`, `profile_newer`.
   */
  static async open(ports: ClientPorts, options: ClientOptions): Promise<Client> {
    const state = await ClientState.load(ports.store);
    const key = await ports.keys.load();
    const core: Core = {
      ports,
      options,
      state,
      journal: new Journal(ports.store),
      events: new Emitter(ports.log),
      hlc: new HybridClock(ports.clock),
    };
    for (const { tail } of state.conversations.values()) {
      for (const { deviceId, content } of tail) {
        if (deviceId === state.account?.deviceId) core.hlc.resume(content.clock);
        else core.hlc.see(content.clock);
      }
    }
    if (state.account && !key) {
      throw new DovetailError("profile_corrupt", "The profile has an account but no device key.");
    }
    const client = new Client(core, key);
    if (state.account && key) {
      client.#start(key);
      client.#relay.start({ key, relay: state.account.relay, registration: null });
    }
    return client;
  }

  call<M extends Method>(method: M, params: Params<M>): Promise<Results[M]> {
    return this.dispatch(method, params) as Promise<Results[M]>;
  }

  /**
   * A call whose method and parameters come from outside.
   * @throws DovetailError `unknown_method`, `invalid_params`, and what the method throws.
   */
  async dispatch(method: string, params: unknown): Promise<unknown> {
    if (this.#closed) throw new DovetailError("closed");
    if (!isMethod(method))
      throw new DovetailError("unknown_method", `There is no method ${method}.`);
    const parsed = methods[method].params.safeParse(params ?? {});
    if (!parsed.success) {
      const faults = parsed.error.issues.map(
        ({ path, message }) => `${path.length > 0 ? `${path.join(".")}: ` : ""}${message}`,
      );
      throw new DovetailError("invalid_params", faults.join("; "));
    }
    const handler = this.#handlers[method] as (params: unknown) => Promise<unknown>;
    return handler(parsed.data);
  }

  subscribe(listener: (event: ClientEvent) => void): () => void {
    return this.#core.events.subscribe(listener);
  }

  /** Ends connections, waits for what is being written, and closes the store. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#engine?.links.close();
    this.#relay.close();
    await this.#engine?.close();
    await this.#core.journal.idle();
    await this.#core.ports.store.close();
  }

  #start(key: DeviceKey): Engine {
    this.#engine = new Engine(this.#core, this.#relay, key, () => this.#connectionChanged());
    return this.#engine;
  }

  #makeHandlers(): Handlers {
    const { state, journal } = this.#core;
    const nothing = {};
    return {
      "account.register": (params) => this.#register(params),
      "account.get": async () => this.#account(),
      "users.search": ({ prefix, limit }) => this.#search(prefix, limit),
      "conversations.open": ({ handle }) => this.#openConversation(handle),
      "conversations.list": async ({ limit }) =>
        state
          .byActivity()
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
        return nothing;
      },
      "messages.send": ({ conversationId, text }) => this.#send(conversationId, text),
      "messages.list": (params) => listMessages(this.#core, params),
      "presence.get": ({ handles }) => this.#presence(handles),
      "typing.set": async ({ conversationId, active }) => {
        const conversation = state.conversation(conversationId);
        this.#engine?.direct.reach(conversation);
        this.#engine?.typing.set(conversationId, active);
        return nothing;
      },
      "connection.get": async () => this.#connection(),
      "connection.retry": async () => {
        this.#relay.retryNow();
        return nothing;
      },
      "settings.get": async () => state.settings,
      "settings.set": (changes) => this.#set(changes),
    };
  }

  #account(): Account | null {
    const { account } = this.#core.state;
    return account && { ...account, relay: this.#core.options.relayUrl };
  }

  #connection(): ConnectionState {
    return {
      relay: this.#relay.state,
      relayUrl: this.#core.options.relayUrl,
      retryAt: this.#relay.retryAt,
      error: this.#relay.error?.code ?? null,
      direct: this.#engine?.directState() ?? [],
    };
  }

  #connectionChanged(): void {
    if (this.#closed) return;
    for (const watcher of [...this.#watchers]) watcher();
    this.#core.events.emit("connection.changed", this.#connection());
  }

  #connected(welcome: Welcome, relay: string): void {
    if (this.#core.state.account) {
      this.#engine?.connected(welcome);
      return;
    }
    const { userId, deviceId, handle, displayName } = welcome;
    const account = { userId, deviceId, handle, displayName, relay };
    this.#core.journal
      .run(() => ({
        writes: [{ type: "put" as const, key: keys.account, value: accountRow.encode(account) }],
        apply: () => {
          this.#core.state.account = account;
          const engine = this.#start(this.#key as DeviceKey);
          if (this.#relay.connected) engine.connected(welcome);
          this.#core.events.emit("account.changed", this.#account() as Account);
          this.#connectionChanged();
        },
      }))
      .catch((error: unknown) => this.#relay.restart(DovetailError.from(error)));
  }

  async #register({
    handle,
    displayName,
    invite,
  }: ValidParams<"account.register">): Promise<Account> {
    if (this.#core.state.account || this.#registering)
      throw new DovetailError("already_registered");
    this.#registering = true;
    try {
      // A key from an attempt that was cut off: the relay may know it already.
      this.#key ??= (await this.#core.ports.keys.load()) ?? (await this.#core.ports.keys.create());
      const registration = { handle, displayName, invite: invite ?? null };
      this.#relay.start({ key: this.#key, relay: null, registration });
      await this.#until(() => {
        if (this.#relay.error) throw this.#relay.error;
        return this.#core.state.account !== null;
      });
      return this.#account() as Account;
    } catch (error) {
      this.#relay.stop();
      throw error;
    } finally {
      this.#registering = false;
    }
  }

  /** Waits for a connection that is being made. @throws DovetailError `relay_unreachable`. */
  async #online(): Promise<void> {
    void this.#core.state.self;
    this.#relay.retryNow();
    await this.#until(() => {
      if (this.#relay.state === "reconnecting" || this.#relay.state === "offline") {
        throw new DovetailError("relay_unreachable", undefined, { cause: this.#relay.error });
      }
      return this.#relay.connected;
    });
  }

  /** Resolves when the condition, asked at every change of the connection, holds; or rejects with what it throws. */
  #until(condition: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (action: () => void) => {
        this.#watchers.delete(watcher);
        timer.cancel();
        action();
      };
      const watcher = () => {
        try {
          if (condition()) settle(resolve);
        } catch (error) {
          settle(() => reject(error));
        }
      };
      const timer = this.#core.ports.clock.after(CONNECT_MS, () => {
        settle(() => reject(new DovetailError("relay_unreachable")));
      });
      this.#watchers.add(watcher);
      watcher();
    });
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
      await meetWithCursors(this.#core, answer.conversation);
      conversation = state.conversation(answer.conversation.conversationId);
    }
    await this.#engine?.opened(conversation);
    return { conversationId: conversation.row.conversationId };
  }

  async #markRead(conversationId: ConversationId, messageId: MessageId): Promise<void> {
    const mark = await this.#core.journal.run(() =>
      markRead(this.#core, conversationId, messageId),
    );
    if (!mark) return;
    const conversation = this.#core.state.conversation(conversationId);
    this.#engine?.direct.tellRead(conversation, mark);
    this.#engine?.read(conversationId);
  }

  async #send(conversationId: ConversationId, text: string): Promise<{ messageId: MessageId }> {
    void this.#core.state.self;
    const { messageId } = await this.#core.journal.run(() =>
      addOwn(this.#core, conversationId, text),
    );
    this.#engine?.queued(this.#core.state.conversation(conversationId));
    return { messageId };
  }

  async #presence(handles: readonly string[]): Promise<Results["presence.get"]> {
    const engine = this.#engine;
    if (!engine) throw new DovetailError("not_registered");
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
            this.#engine?.links.setEnabled(settings.directEnabled);
          events.emit("settings.changed", settings);
          return settings;
        },
      };
    });
  }
}
