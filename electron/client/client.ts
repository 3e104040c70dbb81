/** The client core: what a host opens, and the client API that it gives to whatever shows it. */
import type {
  Account,
  ClientApi,
  ClientEvent,
  ConnectionState,
  Method,
  Params,
  Results,
} from "../../shared/client-api.js";
import { isMethod, methods } from "../../shared/client-methods.js";
import { DovetailError } from "../../shared/errors.js";
import type { UserId } from "../../shared/ids.js";
import { Calls } from "./calls.js";
import type { Core } from "./core.js";
import { Engine } from "./engine.js";
import { Emitter } from "./events.js";
import type { Handlers } from "./handlers.js";
import { HybridClock } from "./hlc.js";
import { Journal } from "./journal.js";
import type { ClientOptions, ClientPorts, DeviceKey } from "./ports.js";
import {
  LINK_MS,
  type Linking,
  type Push,
  type Registration,
  RelayLink,
  type Welcome,
} from "./relay-link.js";
import { recount, recountAfterStart, retell } from "./retelling.js";
import { accountRow, endedRow, keys } from "./rows.js";
import { ClientState } from "./state.js";
import { Waiting } from "./waiting.js";

/** Pushes that wait for the engine; of what is more, the log and the next presence tell again. */
const MAX_EARLY = 256;

export class Client implements ClientApi {
  readonly #core: Core;
  readonly #relay: RelayLink;
  readonly #calls: Calls;
  readonly #handlers: Handlers;
  #key: DeviceKey | null;
  #engine: Engine | null = null;
  /** What the relay told while a new account was being written. */
  readonly #early: Push[] = [];
  #registering = false;
  #closing: Promise<void> | null = null;
  readonly #waiting: Waiting;

  private constructor(core: Core, key: DeviceKey | null) {
    this.#core = core;
    this.#key = key;
    this.#waiting = new Waiting(core.ports.clock);
    this.#relay = new RelayLink(core.ports, core.options, {
      connected: (welcome, relay) => this.#connected(welcome, relay),
      disconnected: () => {
        this.#early.length = 0;
        this.#engine?.disconnected();
      },
      push: (frame) => {
        if (this.#engine) this.#engine.push(frame);
        else if (this.#early.length < MAX_EARLY) this.#early.push(frame);
      },
      changed: () => this.#connectionChanged(),
    });
    this.#calls = new Calls(core, this.#relay, this.#waiting, () => this.#engine);
    this.#handlers = {
      "account.register": ({ handle, displayName, invite }) =>
        this.#enter({ kind: "register", handle, displayName, invite: invite ?? null }),
      "account.link": ({ code }) => this.#enter({ kind: "link", code }),
      "account.get": async () => this.#account(),
      "connection.get": async () => this.#connection(),
      ...this.#calls.handlers(),
    };
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
      retell: (conversation, origin) => retell(core, conversation, origin),
      recount: (conversation) => recount(core, conversation),
      blockChanged: (user) => client.#blockChanged(user),
    };
    if (state.lastClock) core.hlc.resume(state.lastClock);
    for (const { tail } of state.conversations.values()) {
      for (const { content } of tail) core.hlc.see(content.clock);
    }
    if (state.account && !key) {
      throw new DovetailError("profile_corrupt", "The profile has an account but no device key.");
    }
    const client = new Client(core, key);
    if (state.account && key) {
      recountAfterStart(core);
      client.#start(key);
      client.#relay.learn(state.addresses);
      client.#relay.start({ key, relay: state.account.relay, entrance: null });
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
    if (this.#closing) throw new DovetailError("closed");
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
  close(): Promise<void> {
    // Whoever asks again waits for the same end: the profile is in use until then. Noted before it
    // begins, because ending connections calls back.
    this.#closing ??= Promise.resolve().then(() => this.#close());
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#calls.close();
    this.#engine?.links.close();
    this.#relay.close();
    await this.#engine?.close();
    await this.#core.journal.close();
    // What was to be compared and was not, the next start compares.
    if (this.#engine?.isWhole) await this.#markEnd();
    await this.#core.ports.store.close();
  }

  async #markEnd(): Promise<void> {
    const { log, store } = this.#core.ports;
    const value = endedRow.encode(this.#core.state.run);
    await store.batch([{ type: "put", key: keys.ended, value }]).catch((error: unknown) => {
      log.warn("a clean end was not marked", { code: DovetailError.from(error).code });
    });
  }

  #blockChanged(user: UserId): void {
    for (const conversation of this.#core.state.conversations.values()) {
      const { kind, members } = conversation.row;
      if (kind === "direct" && members.some(({ userId }) => userId === user)) {
        this.#core.recount(conversation);
      }
    }
    if (this.#core.state.isBlocked(user)) this.#engine?.links.closeAll(user);
  }

  #start(key: DeviceKey): Engine {
    this.#engine = new Engine(this.#core, this.#relay, key, () => this.#connectionChanged());
    return this.#engine;
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
    if (this.#closing) return;
    this.#waiting.changed();
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
          if (this.#relay.connected) {
            engine.connected(welcome);
            for (const frame of this.#early.splice(0)) engine.push(frame);
            engine.attention.ask();
          }
          this.#core.events.emit("account.changed", this.#account() as Account);
          this.#connectionChanged();
        },
      }))
      .catch((error: unknown) => this.#relay.restart(DovetailError.from(error)));
  }

  /** Makes an account, or joins one. */
  async #enter(entrance: Registration | Linking): Promise<Account> {
    if (this.#core.state.account || this.#registering)
      throw new DovetailError("already_registered");
    this.#registering = true;
    try {
      // A key from an attempt that was cut off: the relay may know it already.
      this.#key ??= (await this.#core.ports.keys.load()) ?? (await this.#core.ports.keys.create());
      this.#relay.start({ key: this.#key, relay: null, entrance });
      await this.#waiting.until(
        () => {
          if (this.#relay.error) throw this.#relay.error;
          return this.#core.state.account !== null;
        },
        entrance.kind === "link" ? LINK_MS : undefined,
      );
      return this.#account() as Account;
    } catch (error) {
      this.#relay.stop();
      throw error;
    } finally {
      this.#registering = false;
    }
  }
}
