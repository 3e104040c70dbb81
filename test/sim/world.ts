/** A relay and people with a device each, in one process, from one seed. */
import { Client } from "../../electron/client/index.js";
import { Relay } from "../../relay/core/relay.js";
import { KvRelayStore } from "../../relay/store/kv-relay-store.js";
import type { ClientEvent } from "../../shared/client-api.js";
import { DovetailError } from "../../shared/errors.js";
import { type ConversationId, directConversationId } from "../../shared/ids.js";
import type { KeyValue } from "../../shared/key-value.js";
import type { Log } from "../../shared/runtime.js";
import { fakeCrypto } from "./fake-crypto.js";
import { Device, Machine, type Sent } from "./machine.js";
import { Network } from "./network.js";
import { brief } from "./promises.js";
import { Prng, VirtualTime } from "./virtual-time.js";

/** Lines of the trace that a violation carries; more of them by `TRACE_LINES=…` beside the seed. */
const TRACE_LINES = Number(process.env.TRACE_LINES ?? 60);

export interface WorldOptions {
  readonly seed: number;
  readonly handles: readonly string[];
  /** Whether all have opened their conversations before it begins (default). */
  readonly acquainted?: boolean;
  /** Breaks stores on purpose, to see that the checker notices. */
  readonly sabotage?: (store: KeyValue, owner: "relay" | "device") => KeyValue;
}

export class World {
  readonly seed: number;
  readonly time = new VirtualTime();
  readonly random: Prng;
  readonly network: Network;
  readonly relay: Machine;
  readonly devices: readonly Device[];
  /** All that can be: of everybody with everybody, and with oneself for notes. */
  readonly conversations = new Map<ConversationId, readonly Device[]>();
  readonly trace: string[] = [];
  readonly violations: string[] = [];
  restored = false;
  /** Of the whole trace (FNV-1a): equal worlds have equal ones. */
  traceHash = 0x811c9dc5;
  readonly #watchers: ((device: Device, event: ClientEvent) => void)[] = [];
  readonly #sabotage: NonNullable<WorldOptions["sabotage"]>;
  #relayCore: Relay | null = null;
  #relayStore: KeyValue | null = null;

  private constructor({ seed, handles, sabotage }: WorldOptions) {
    this.seed = seed;
    this.random = new Prng(seed);
    this.network = new Network(this.time, this.random);
    this.relay = new Machine(this.time, this.random);
    this.devices = handles.map((handle) => new Device(handle, this.time, this.random));
    this.#sabotage = sabotage ?? ((store) => store);
  }

  /** All run, and nobody has an account. */
  static async begin(options: WorldOptions): Promise<World> {
    const world = new World(options);
    world.startRelay();
    for (const device of world.devices) world.start(device);
    await world.run(1_000);
    return world;
  }

  /** Everybody has an account, and a conversation with everybody. */
  static async open(options: WorldOptions): Promise<World> {
    const world = await World.begin(options);
    await world.act(world.devices.map((device) => world.register(device)));
    for (const [i, a] of world.devices.entries()) {
      for (const b of world.devices.slice(i)) {
        const id = directConversationId(a.userId, b.userId, fakeCrypto.sha256);
        world.conversations.set(id, a === b ? [a] : [a, b]);
        if (options.acquainted ?? true) await world.act([world.openConversation(a, b)]);
      }
    }
    await world.run(5_000);
    return world;
  }

  async register(device: Device): Promise<void> {
    const { handle } = device;
    const account = await device.client?.call("account.register", { handle, displayName: handle });
    if (account) device.userId = account.userId;
  }

  async openConversation(device: Device, other: Device): Promise<void> {
    this.note(`${device.handle} opens the conversation with ${other.handle}`);
    const opened = await device.client?.call("conversations.open", { handle: other.handle });
    if (opened) device.opened.add(opened.conversationId);
  }

  note(line: string): void {
    const whole = `${this.time.now.toFixed(1)} ${line}`;
    for (let i = 0; i < whole.length; i++) {
      this.traceHash = Math.imul(this.traceHash ^ whole.charCodeAt(i), 0x01000193) >>> 0;
    }
    this.trace.push(whole);
    if (this.trace.length > 4 * TRACE_LINES) this.trace.splice(0, 3 * TRACE_LINES);
  }

  violate(what: string): void {
    this.note(`VIOLATION ${what}`);
    this.violations.push(what);
  }

  /** What to read when something went wrong, and how to see it again. */
  report(): string {
    return [
      ...this.violations.slice(0, 10),
      `replay: SEED=${this.seed} npx vitest run --project fast test/sim`,
      ...this.trace.slice(-TRACE_LINES),
    ].join("\n");
  }

  watch(listener: (device: Device, event: ClientEvent) => void): void {
    this.#watchers.push(listener);
  }

  run(ms: number): Promise<void> {
    return this.time.runUntil(this.time.now + ms);
  }

  /** Runs time until all of it is done. */
  async act(promises: readonly (Promise<unknown> | undefined)[]): Promise<void> {
    let settled = false;
    let failure: unknown = null;
    Promise.all(promises).then(
      () => {
        settled = true;
      },
      (error: unknown) => {
        settled = true;
        failure = error;
      },
    );
    for (let i = 0; i < 600 && !settled; i++) await this.run(100);
    if (failure) throw failure;
    if (!settled) throw new Error(`not done within a minute\n${this.report()}`);
  }

  startRelay(): void {
    if (this.relay.life.alive) return;
    const life = { alive: true };
    this.relay.life = life;
    this.note("relay starts");
    const kv = this.#sabotage(this.relay.disk.open(), "relay");
    KvRelayStore.open(kv, "relay").then(
      (store) => {
        if (!life.alive) return;
        const core = new Relay(
          {
            store,
            clock: this.relay.clock.during(life),
            random: this.random,
            crypto: fakeCrypto,
            log: this.#log("relay"),
            metrics: {
              count() {},
              failed: (code) => this.note(`relay answers ${code}`),
              connections() {},
              users() {},
              committed: (entries) => this.note(`relay commits ${entries}`),
            },
          },
          { name: store.name, heartbeatMs: 5_000, iceServers: [], invites: new Map() },
        );
        this.#relayCore = core;
        this.#relayStore = kv;
        this.network.relay = { life, core };
      },
      // On a full disk: whoever operates it starts it again.
      (error: unknown) => {
        this.note(`relay does not start: ${DovetailError.from(error).code}`);
        this.killRelay();
      },
    );
  }

  killRelay(): void {
    if (!this.relay.life.alive) return;
    this.note("relay is killed");
    this.#endRelay();
    this.relay.disk.crash((batches) => this.random.between(0, batches));
  }

  /** From a backup that its operator once made; what it acknowledged since is gone there. */
  restoreRelay(restore: () => void): void {
    this.killRelay();
    this.note("relay is restored");
    this.restored = true;
    restore();
    this.startRelay();
  }

  /** As on SIGTERM. */
  async stopRelay(): Promise<void> {
    const core = this.#relayCore;
    const store = this.#relayStore;
    const { life } = this.relay;
    if (!life.alive || !core || !store) return;
    this.note("relay is stopped");
    await core.stop();
    if (!life.alive) return;
    await store.close();
    this.#endRelay();
  }

  #endRelay(): void {
    this.relay.life.alive = false;
    this.#relayCore = null;
    this.#relayStore = null;
    this.network.relay = null;
    this.network.ended(this.relay.life);
  }

  start(device: Device): void {
    if (device.life.alive) return;
    const life = { alive: true };
    device.life = life;
    this.note(`${device.handle} starts`);
    const store = this.#sabotage(device.disk.open(), "device");
    Client.open(
      {
        store,
        relay: this.network.dialer(device.handle, life),
        direct: this.network.direct(device.handle, life),
        keys: device.keys,
        clock: device.clock.during(life),
        random: this.random,
        crypto: fakeCrypto,
        log: this.#log(device.handle),
      },
      { relayUrl: "ws://relay", deviceName: device.handle },
    ).then(
      (client) => {
        if (!life.alive) return;
        device.client = client;
        client.subscribe((event) => {
          if (!life.alive) return;
          if (event.event === "message.added" || event.event === "message.updated") {
            const { seq, state, path, text } = event.data;
            this.note(`${device.handle} ${event.event} ${brief(text)} ${seq} ${state} ${path}`);
          }
          for (const watcher of this.#watchers) watcher(device, event);
        });
      },
      (error: unknown) => {
        const { code } = DovetailError.from(error);
        if (code !== "disk_full") this.violate(`${device.handle} does not open: ${code}`);
        this.kill(device);
      },
    );
  }

  kill(device: Device): void {
    if (!device.life.alive) return;
    this.note(`${device.handle} is killed`);
    this.#end(device);
    device.disk.crash((batches) => this.random.between(0, batches));
  }

  async stop(device: Device): Promise<void> {
    const { client, life } = device;
    if (!client) return;
    this.note(`${device.handle} is closed`);
    await client.close();
    if (life.alive) this.#end(device);
  }

  #end(device: Device): void {
    device.life.alive = false;
    device.client = null;
    this.network.ended(device.life);
  }

  send(device: Device, conversationId: ConversationId, text: string): void {
    if (!device.client) return;
    const sent: Sent = { conversationId, text, messageId: null, refused: null };
    device.sent.push(sent);
    this.note(`${device.handle} sends ${brief(text)}`);
    device.client.call("messages.send", { conversationId, text }).then(
      ({ messageId }) => {
        sent.messageId = messageId;
      },
      (error: unknown) => {
        sent.refused = DovetailError.from(error);
        this.note(`${device.handle} may not send ${brief(text)}: ${sent.refused.code}`);
      },
    );
  }

  between(a: Device, b: Device): ConversationId {
    for (const [id, pair] of this.conversations) {
      if (pair.includes(a) && pair.includes(b) && pair.length === (a === b ? 1 : 2)) return id;
    }
    throw new Error("they have no conversation");
  }

  /** All faults end. */
  heal(): void {
    this.note("all is healed");
    for (const machine of [this.relay, ...this.devices]) {
      machine.disk.full = false;
      machine.disk.unsure = false;
      machine.slowestWriteMs = 8;
    }
    for (const [i, a] of this.devices.entries()) {
      this.network.setRelayPath(a.handle, "up");
      for (const b of this.devices.slice(i + 1)) {
        this.network.setDirectPath(a.handle, b.handle, "up");
      }
    }
    this.startRelay();
    for (const device of this.devices) this.start(device);
  }

  #log(who: string): Log {
    const line = (level: string) => (event: string, fields?: object) =>
      this.note(`${who} ${level}: ${event} ${JSON.stringify(fields ?? {})}`);
    return {
      debug() {},
      info: line("info"),
      warn: line("warn"),
      error: (event, fields) => {
        // What has to be said of a full disk and of a restored relay, as the scenario wants them.
        const wanted = event === "store.failed" || (this.restored && /lost entries/.test(event));
        if (wanted) this.note(`${who} error: ${event}`);
        else this.violate(`${who} error: ${event} ${JSON.stringify(fields)}`);
      },
    };
  }
}
