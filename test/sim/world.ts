/** A relay and people with devices, in one process, from one seed. */
import { Client } from "../../electron/client/index.js";
import type { Bus } from "../../relay/core/cluster/bus.js";
import type { NodeId } from "../../relay/core/cluster/ring.js";
import type { RelayStore } from "../../relay/core/ports.js";
import { Relay } from "../../relay/core/relay.js";
import { KvRelayStore } from "../../relay/store/kv-relay-store.js";
import { nodeAt, SeatPlacement } from "../../relay/workers/seats.js";
import { toHex } from "../../shared/bytes.js";
import type {
  ClientEvent,
  Conversation,
  Method,
  Params,
  Results,
} from "../../shared/client-api.js";
import { DovetailError } from "../../shared/errors.js";
import {
  type ConversationId,
  directConversationId,
  type MessageId,
  type UserId,
} from "../../shared/ids.js";
import type { KeyValue } from "../../shared/key-value.js";
import type { Log } from "../../shared/runtime.js";
import { fakeCrypto } from "./fake-crypto.js";
import { FolderHosts } from "./folder-hosts.js";
import { Device, Machine, type Sent } from "./machine.js";
import { Memory } from "./memory.js";
import { type Life, Network } from "./network.js";
import { brief } from "./promises.js";
import { RelayNodes } from "./relay-nodes.js";
import { Prng, VirtualTime } from "./virtual-time.js";

/** Lines of the trace that a violation carries; more of them by `TRACE_LINES=…` beside the seed. */
const TRACE_LINES = Number(process.env.TRACE_LINES ?? 60);

/** Calls that are not worth a line of the trace, or have one already. */
const UNTOLD: ReadonlySet<Method> = new Set<Method>([
  "conversations.get",
  "conversations.list",
  "messages.get",
  "messages.list",
  "messages.send",
]);

export interface WorldOptions {
  readonly seed: number;
  readonly handles: readonly string[];
  /** Whether all have opened their conversations before it begins (default). */
  readonly acquainted?: boolean;
  /** Whether people link further devices, and remove some. */
  readonly severalDevices?: boolean;
  /** Of the relay, on one store (default: 1). */
  readonly relayNodes?: number;
  /** Whether each of those nodes has a part of the store, and the others ask it. */
  readonly workers?: boolean;
  /** Whether nobody will ask for the trace: it is had by playing the seed again. */
  readonly silent?: boolean;
  /** Is given every line of the trace. */
  readonly traced?: ((line: string) => void) | undefined;
  /** Breaks stores on purpose, to see that the checker notices. */
  readonly sabotage?: (store: KeyValue, owner: "relay" | "device") => KeyValue;
}

export class World {
  readonly seed: number;
  readonly time = new VirtualTime();
  readonly random: Prng;
  readonly network: Network;
  readonly relay: Machine;
  readonly severalDevices: boolean;
  /** Those that are linked, as far as somebody was told. */
  readonly devices: Device[];
  /** Those that are not yet, or not any more. */
  readonly outside: Device[] = [];
  /** With the handles of all that can be in them: of everybody with everybody, notes, and groups. */
  readonly conversations = new Map<ConversationId, readonly string[]>();
  /** Those of the conversations that are groups. */
  readonly groups = new Set<ConversationId>();
  readonly memory = new Memory();
  /** Calls of the client API that somebody made. */
  operations = 0;
  readonly trace: string[] = [];
  readonly violations: string[] = [];
  restored = false;
  /** Of the whole trace (FNV-1a): equal worlds have equal ones. */
  traceHash = 0x811c9dc5;
  readonly #watchers: ((device: Device, event: ClientEvent) => void)[] = [];
  readonly #farewells: ((device: Device) => void)[] = [];
  readonly #silent: boolean;
  readonly #traced: WorldOptions["traced"];
  readonly #users = new Map<string, UserId>();
  readonly #machines = new Map<string, number>();
  readonly #sabotage: NonNullable<WorldOptions["sabotage"]>;
  /** Of the relay that runs; null where none does. */
  nodes: RelayNodes | null = null;
  readonly relayNodes: number;
  readonly #workers: boolean;
  #relayStore: KeyValue | null = null;
  /** Whom its operator has asked to end. */
  #stopping: Life | null = null;

  private constructor(options: WorldOptions) {
    const { seed, handles, sabotage, severalDevices, traced } = options;
    this.seed = seed;
    this.relayNodes = options.relayNodes ?? 1;
    this.#workers = options.workers ?? false;
    this.#silent = options.silent ?? false;
    this.#traced = traced;
    this.random = new Prng(seed);
    this.network = new Network(this.time, this.random);
    this.relay = new Machine(this.time, this.random);
    this.severalDevices = severalDevices ?? false;
    this.devices = handles.map((handle) => this.#device(handle));
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
    const first = [...world.devices];
    await world.act(first.map((device) => world.register(device)));
    for (const [i, a] of first.entries()) {
      for (const b of first.slice(i)) {
        const id = directConversationId(a.userId, b.userId, fakeCrypto.sha256);
        world.conversations.set(id, a === b ? [a.handle] : [a.handle, b.handle]);
        if (options.acquainted ?? true) await world.act([world.openConversation(a, b)]);
      }
    }
    for (const device of options.severalDevices ? first : []) {
      for (let more = world.random.between(0, 2); more > 0; more--) {
        await world.act([world.link(device)]);
      }
    }
    await world.run(5_000);
    return world;
  }

  #device(handle: string): Device {
    const which = (this.#machines.get(handle) ?? 0) + 1;
    this.#machines.set(handle, which);
    return new Device(handle, which, this.time, this.random);
  }

  devicesOf(handles: readonly string[]): Device[] {
    return this.devices.filter(({ handle }) => handles.includes(handle));
  }

  userOf(handle: string): UserId | undefined {
    return this.#users.get(handle);
  }

  handleOf(user: UserId): string {
    return [...this.#users].find(([, each]) => each === user)?.[0] ?? user;
  }

  /** Other users' devices. */
  peersOf({ handle }: Device): Device[] {
    return this.devices.filter((each) => each.handle !== handle);
  }

  async register(device: Device): Promise<void> {
    const { handle } = device;
    const account = await device.client?.call("account.register", { handle, displayName: handle });
    if (!account) return;
    this.#users.set(handle, account.userId);
    Object.assign(device, account, { standing: "linked" });
  }

  /** A device of the same user comes to be linked, or one for which that failed once tries again. */
  async link(device: Device): Promise<void> {
    const { handle, client } = device;
    const waiting = this.outside.find(
      (each) => each.handle === handle && each.standing === "new" && each.client,
    );
    const joining = waiting ?? this.#device(handle);
    if (!waiting) {
      this.outside.push(joining);
      this.start(joining);
    }
    if (!client) return;
    const pairing = await this.ask(device, "devices.pair", {});
    this.note(`${device.name} shows ${joining.name} a code`);
    if (!joining.client) return;
    const account = await this.ask(joining, "account.link", { code: pairing.code });
    this.#joined(joining, account.deviceId);
  }

  #joined(device: Device, deviceId: Device["deviceId"]): void {
    if (device.standing !== "new") return;
    this.note(`${device.name} is linked`);
    Object.assign(device, { deviceId, userId: this.#users.get(device.handle), standing: "linked" });
    this.outside.splice(this.outside.indexOf(device), 1);
    this.devices.push(device);
  }

  /**
   * One device of a user takes another one's, or its own, access; one of a user at a time. Asked in
   * a calm: what a device has told others directly and not yet the relay does not survive it.
   */
  remove(device: Device, random: Prng): void {
    const own = this.devicesOf([device.handle]);
    if (own.length < 2 || own.some(({ standing }) => standing === "leaving")) return;
    const leaving = random.pick(own);
    leaving.standing = "leaving";
    this.#askToRemove(device, leaving);
  }

  #askToRemove({ client, name }: Device, leaving: Device): void {
    this.note(`${name} removes ${leaving.name}`);
    client?.call("devices.remove", { deviceId: leaving.deviceId }).then(
      () => this.#removed(leaving),
      (error: unknown) => {
        const { code } = DovetailError.from(error);
        // Not there any more: an earlier removal came through whose answer did not.
        if (code === "not_found") this.#removed(leaving);
        else this.note(`${leaving.name} is perhaps not removed: ${code}`);
      },
    );
  }

  #removed(device: Device): void {
    if (device.standing === "removed") return;
    this.note(`${device.name} is removed`);
    device.standing = "removed";
    this.devices.splice(this.devices.indexOf(device), 1);
    this.outside.push(device);
    for (const farewell of this.#farewells) farewell(device);
  }

  async openConversation(device: Device, other: Device): Promise<void> {
    this.note(`${device.name} opens the conversation with ${other.handle}`);
    const opened = await this.ask(device, "conversations.open", { handle: other.handle });
    device.opened.add(opened.conversationId);
  }

  note(line: string): void {
    if (this.#silent) return;
    const whole = `${this.time.now.toFixed(1)} ${line}`;
    for (let i = 0; i < whole.length; i++) {
      this.traceHash = Math.imul(this.traceHash ^ whole.charCodeAt(i), 0x01000193) >>> 0;
    }
    this.trace.push(whole);
    this.#traced?.(whole);
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
      `replay: npm run test:soak -- --seed ${this.seed}`,
      ...this.trace.slice(-TRACE_LINES),
    ].join("\n");
  }

  watch(listener: (device: Device, event: ClientEvent) => void): void {
    this.#watchers.push(listener);
  }

  /** When the removal of a device is acknowledged. */
  whenRemoved(listener: (device: Device) => void): void {
    this.#farewells.push(listener);
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
        this.#relayStore = kv;
        const { time, random, network } = this;
        const parts = {
          ...{ time, random, network, note: (line: string) => this.note(line) },
          runtime: (own: Life) => ({
            clock: this.relay.clock.during(own),
            log: this.#log("relay"),
          }),
        };
        this.nodes = new RelayNodes(this.relayNodes, {
          ...parts,
          ...(this.#workers
            ? this.#workersOn(kv, store.name)
            : { begin: (_, own, bus) => this.#beginNode(store, store.name, own, bus) }),
        });
        this.nodes.startAll();
      },
      // On a full disk: whoever operates it starts it again.
      (error: unknown) => {
        this.note(`relay does not start: ${DovetailError.from(error).code}`);
        this.killRelay();
      },
    );
  }

  #workersOn(kv: KeyValue, name: string) {
    const count = this.relayNodes;
    const hosts = new FolderHosts(kv, count, this);
    return {
      nameAt: (which: number) => nodeAt(which, toHex(this.random.bytes(16))),
      begin: (which: number, life: Life, bus: Bus | undefined) => {
        const place = (nodes: readonly NodeId[]) => new SeatPlacement(nodes, count);
        return this.#beginNode(hosts.begin(which, life), name, life, bus && { ...bus, place });
      },
      ended: (which: number) => hosts.end(which),
    };
  }

  #beginNode(store: RelayStore, name: string, life: Life, bus: Bus | undefined): Relay {
    return new Relay(
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
          measured() {},
          caughtUp() {},
          committed: (entries) => this.note(`relay commits ${entries}`),
        },
        bus,
      },
      { name, heartbeatMs: 5_000, iceServers: () => [], invites: new Map() },
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
    const { nodes } = this;
    const store = this.#relayStore;
    const { life } = this.relay;
    if (!life.alive || !nodes || !store) return;
    this.note("relay is stopped");
    this.#stopping = life;
    await nodes.stopAll();
    if (!life.alive) return;
    await store.close();
    this.#endRelay();
  }

  #endRelay(): void {
    this.relay.life.alive = false;
    this.nodes?.killAll();
    this.nodes = null;
    this.#relayStore = null;
  }

  start(device: Device): void {
    if (device.life.alive) return;
    const life = { alive: true };
    device.life = life;
    this.note(`${device.name} starts`);
    const store = this.#sabotage(device.disk.open(), "device");
    Client.open(
      {
        store,
        relay: this.network.dialer(device.name, life),
        direct: this.network.direct(device.name, life),
        keys: device.keys,
        clock: device.clock.during(life),
        random: this.random,
        crypto: fakeCrypto,
        log: this.#log(device.name),
      },
      { relayUrl: "ws://relay", deviceName: device.name },
    ).then(
      (client) => {
        if (!life.alive) return;
        device.client = client;
        this.#look(device, client);
        client.subscribe((event) => {
          if (!life.alive) return;
          if (event.event === "message.added" || event.event === "message.updated") {
            const { seq, state, path, text } = event.data;
            this.note(`${device.name} ${event.event} ${brief(text)} ${seq} ${state} ${path}`);
          }
          if (event.event === "conversation.changed") this.#met(device, event.data);
          for (const watcher of this.#watchers) watcher(device, event);
        });
      },
      (error: unknown) => {
        const { code } = DovetailError.from(error);
        if (code !== "disk_full") this.violate(`${device.name} does not open: ${code}`);
        this.kill(device);
      },
    );
  }

  #met(device: Device, { conversationId, kind, role }: Conversation): void {
    if (kind !== "group") return;
    if (!this.groups.has(conversationId)) {
      this.groups.add(conversationId);
      this.conversations.set(conversationId, [...this.#users.keys()]);
    }
    device.roles.set(conversationId, role);
  }

  /** What became of a linking whose answer nobody was there to hear. */
  #look(device: Device, client: Client): void {
    if (device.standing !== "new") return;
    client.call("account.get", {}).then((account) => {
      if (account) this.#joined(device, account.deviceId);
    });
  }

  kill(device: Device): void {
    if (!device.life.alive) return;
    this.note(`${device.name} is killed`);
    this.#end(device);
    device.disk.crash((batches) => this.random.between(0, batches));
  }

  async stop(device: Device): Promise<void> {
    const { client, life } = device;
    if (!client) return;
    this.note(`${device.name} is closed`);
    await client.close();
    if (life.alive) this.#end(device);
  }

  #end(device: Device): void {
    device.life.alive = false;
    device.client = null;
    this.network.ended(device.life);
  }

  /** A call that somebody makes, whatever faults make of it. */
  ask<M extends Method>(device: Device, method: M, params: Params<M>): Promise<Results[M]> {
    this.operations++;
    const { client } = device;
    if (!this.#silent && !UNTOLD.has(method)) {
      this.note(`${device.name} ${method} ${JSON.stringify(params)}`);
    }
    return client ? client.call(method, params) : Promise.reject(new DovetailError("closed"));
  }

  send(device: Device, conversationId: ConversationId, text: string, replyTo?: MessageId): void {
    if (!device.client) return;
    const sent: Sent = { conversationId, text, messageId: null, refused: null };
    device.sent.push(sent);
    this.note(`${device.name} sends ${brief(text)}`);
    const params = { conversationId, text, ...(replyTo && { replyTo }) };
    this.ask(device, "messages.send", params).then(
      ({ messageId }) => {
        sent.messageId = messageId;
      },
      (error: unknown) => {
        sent.refused = DovetailError.from(error);
        this.note(`${device.name} may not send ${brief(text)}: ${sent.refused.code}`);
      },
    );
  }

  between(a: Device, b: Device): ConversationId {
    return directConversationId(a.userId, b.userId, fakeCrypto.sha256);
  }

  /** Nothing runs for that long. */
  async sleep(ms: number): Promise<void> {
    this.note("all sleep");
    this.killRelay();
    for (const device of [...this.devices, ...this.outside]) this.kill(device);
    await this.run(ms);
    this.heal();
  }

  /** All faults end. */
  heal(): void {
    this.note("all is healed");
    const all = [...this.devices, ...this.outside];
    for (const machine of [this.relay, ...all]) {
      machine.disk.full = false;
      machine.disk.unsure = false;
      machine.slowestWriteMs = 8;
    }
    for (const [i, a] of all.entries()) {
      this.network.setRelayPath(a.name, "up");
      for (const b of all.slice(i + 1)) this.network.setDirectPath(a.name, b.name, "up");
    }
    if (this.relay.life === this.#stopping) this.killRelay();
    this.startRelay();
    this.nodes?.startAll();
    this.nodes?.heal();
    for (const device of all) this.start(device);
    for (const leaving of this.devices.filter(({ standing }) => standing === "leaving")) {
      const other = this.devicesOf([leaving.handle]).find((each) => each !== leaving);
      if (other) this.#askToRemove(other, leaving);
    }
  }

  #log(who: string): Log {
    const line = (level: string) => (event: string, fields?: object) => {
      if (!this.#silent) this.note(`${who} ${level}: ${event} ${JSON.stringify(fields ?? {})}`);
    };
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
