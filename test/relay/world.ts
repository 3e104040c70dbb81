/** A relay without sockets or disk, and clients of it that speak frames. */
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { WebSocket } from "ws";
import type { Bus } from "../../relay/core/cluster/bus.js";
import type { RelayConfig } from "../../relay/core/config.js";
import type { ClientWire, Metrics } from "../../relay/core/ports.js";
import { Relay, type Session } from "../../relay/core/relay.js";
import { KvRelayStore } from "../../relay/store/kv-relay-store.js";
import { type ConversationId, type DeviceId, deviceIdOf, type UserId } from "../../shared/ids.js";
import type { KeyValue, Range, Write } from "../../shared/key-value.js";
import { type GroupChange, NO_CHANGE } from "../../shared/membership.js";
import { nodeCrypto, nodeRandom } from "../../shared/node/runtime.js";
import {
  authenticationBytes,
  type ClientFrame,
  type ConversationState,
  clientFrames,
  entryBytes,
  PROTOCOL_VERSION,
  type RelayFrame,
  registrationBytes,
  relayFrames,
} from "../../shared/protocol.js";
import type { Clock, Log, Timer } from "../../shared/runtime.js";

export class MemoryKeyValue implements KeyValue {
  readonly #rows = new Map<string, Uint8Array>();
  /** While set, writes fail with it. */
  failure: Error | null = null;
  durableBatches = 0;
  /** While set, batches wait for it before they are applied. */
  gate: Promise<void> | null = null;

  async get(key: string): Promise<Uint8Array | undefined> {
    return this.#rows.get(key);
  }

  async range({ from, to, reverse, limit }: Range) {
    const keys = [...this.#rows.keys()].filter((key) => key >= from && key < to).sort();
    if (reverse) keys.reverse();
    return keys.slice(0, limit).map((key) => ({ key, value: this.#rows.get(key) as Uint8Array }));
  }

  async batch(writes: readonly Write[], durable = true): Promise<void> {
    await this.gate;
    if (this.failure) throw this.failure;
    if (durable) this.durableBatches++;
    for (const write of writes) {
      if (write.type === "put") this.#rows.set(write.key, write.value);
      else this.#rows.delete(write.key);
    }
  }

  async close(): Promise<void> {}
}

/** Time that passes when told. */
export class ManualClock implements Clock {
  #now = 1_700_000_000_000;
  readonly #timers = new Set<{ at: number; callback: () => void }>();

  now = (): number => this.#now;
  monotonic = (): number => this.#now;

  after(delayMs: number, callback: () => void): Timer {
    const timer = { at: this.#now + delayMs, callback };
    this.#timers.add(timer);
    return { cancel: () => this.#timers.delete(timer) };
  }

  advance(ms: number): void {
    const until = this.#now + ms;
    for (;;) {
      const due = [...this.#timers].filter((timer) => timer.at <= until);
      const next = due.sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.#timers.delete(next);
      this.#now = next.at;
      next.callback();
    }
    this.#now = until;
  }
}

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };

export class World {
  readonly kv: MemoryKeyValue;
  readonly store: KvRelayStore;
  readonly clock = new ManualClock();
  readonly counts = new Map<string, number>();
  readonly relay: Relay;

  private constructor(kv: MemoryKeyValue, store: KvRelayStore, config: Partial<RelayConfig>) {
    this.kv = kv;
    this.store = store;
    this.relay = this.anotherRelay(config);
  }

  static async open(
    config: Partial<RelayConfig> = {},
    kv: MemoryKeyValue = new MemoryKeyValue(),
  ): Promise<World> {
    return new World(kv, await KvRelayStore.open(kv, "relay-test"), config);
  }

  /** One more: on a bus a node of the same relay, and without one it believes it owns the same logs. */
  anotherRelay(config: Partial<RelayConfig> = {}, bus?: Bus, measures?: Metrics): Relay {
    const metrics: Metrics = measures ?? {
      count: (name, by = 1) => this.counts.set(name, (this.counts.get(name) ?? 0) + by),
      failed() {},
      connections() {},
      users() {},
      measured() {},
      committed() {},
      caughtUp() {},
    };
    const { store, clock } = this;
    return new Relay(
      { store, clock, metrics, log: silent, random: nodeRandom, crypto: nodeCrypto, bus },
      {
        name: "relay-test",
        heartbeatMs: 15_000,
        iceServers: () => [],
        invites: new Map(),
        ...config,
      },
    );
  }

  connect(key?: DeviceKey, relay: Relay = this.relay): Client {
    return new Client(relay, key);
  }

  async person(handle: string): Promise<Client> {
    const client = this.connect();
    await client.register(handle);
    return client;
  }
}

/** A relay at the other end of a real WebSocket. */
export function remote(url: string): Pick<Relay, "connect"> {
  return {
    connect(wire) {
      const socket = new WebSocket(url);
      const opened = new Promise((resolve) => socket.once("open", resolve));
      socket.on("message", (data: Buffer) => wire.send(data));
      socket.on("close", (code) => wire.close(code, ""));
      // Whatever fails is followed by a close, and tests look at its code.
      socket.on("error", () => {});
      return {
        receive: (frame) => void opened.then(() => socket.send(frame)),
        receiveForeign: () => void opened.then(() => socket.send("text")),
        closed: () => socket.close(),
      };
    },
  };
}

export interface DeviceKey {
  readonly publicKey: Uint8Array;
  readonly privateKey: KeyObject;
  readonly deviceId: DeviceId;
}

function newKey(): DeviceKey {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const raw = new Uint8Array(Buffer.from(publicKey.export({ format: "jwk" }).x ?? "", "base64url"));
  return { publicKey: raw, privateKey, deviceId: deviceIdOf(raw, nodeCrypto.sha256) };
}

type Answer<T extends RelayFrame["type"]> = Extract<RelayFrame, { type: T }>;
type Requesting = Extract<ClientFrame, { requestId: number }>;
type WithoutId<F> = F extends Requesting ? Omit<F, "requestId"> : never;

export class Client implements ClientWire {
  readonly key: DeviceKey;
  readonly session: Session;
  readonly frames: RelayFrame[] = [];
  userId = "" as UserId;
  bufferedBytes = 0;
  paused = false;
  closedWith: number | null = null;
  #requests = 0;
  #watch: (() => void)[] = [];

  constructor(relay: Pick<Relay, "connect">, key: DeviceKey = newKey()) {
    this.key = key;
    this.session = relay.connect(this);
  }

  send(frame: Uint8Array): void {
    this.frames.push(relayFrames.decode(frame));
    this.#changed();
  }

  close(code: number): void {
    this.closedWith = code;
    this.#changed();
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  #changed(): void {
    for (const look of [...this.#watch]) look();
  }

  /** Resolves as soon as `find` gives something. */
  until<T>(find: () => T | null | undefined | false): Promise<T> {
    return new Promise((resolve) => {
      const look = (): void => {
        const found = find();
        if (!found) return;
        this.#watch = this.#watch.filter((each) => each !== look);
        resolve(found);
      };
      this.#watch.push(look);
      look();
    });
  }

  closed(): Promise<number> {
    return this.until(() => this.closedWith);
  }

  all<T extends RelayFrame["type"]>(type: T): Answer<T>[] {
    return this.frames.filter((frame): frame is Answer<T> => frame.type === type);
  }

  /** The newest of that type, waited for. */
  got<T extends RelayFrame["type"]>(type: T, count = 1): Promise<Answer<T>> {
    return this.until(() => this.all(type)[count - 1]);
  }

  tell(frame: ClientFrame): void {
    this.session.receive(clientFrames.encode(frame));
  }

  ask(frame: WithoutId<ClientFrame>): Promise<RelayFrame> {
    const requestId = ++this.#requests;
    this.tell({ ...frame, requestId } as ClientFrame);
    return this.until(() =>
      this.frames.find((each) => "requestId" in each && each.requestId === requestId),
    );
  }

  sign(message: Uint8Array): Uint8Array {
    return new Uint8Array(sign(null, message, this.key.privateKey));
  }

  async challenge(): Promise<Answer<"challenge">> {
    this.tell({ type: "hello", version: PROTOCOL_VERSION, client: "test" });
    return this.got("challenge");
  }

  sendRegister(challenge: Answer<"challenge">, handle: string, invite: string | null = null): void {
    const wanted = {
      handle,
      displayName: handle.toUpperCase(),
      deviceName: "laptop",
      publicKey: this.key.publicKey,
    };
    const signature = this.sign(registrationBytes(challenge.relay, challenge.nonce, wanted));
    this.tell({ type: "register", ...wanted, invite, signature });
  }

  async register(handle: string): Promise<void> {
    this.sendRegister(await this.challenge(), handle);
    this.userId = (await this.got("welcome")).userId;
  }

  async authenticate(): Promise<void> {
    const { relay, nonce } = await this.challenge();
    const { deviceId } = this.key;
    const signature = this.sign(authenticationBytes(relay, nonce, deviceId));
    this.tell({ type: "authenticate", deviceId, signature });
    this.userId = (await this.got("welcome")).userId;
  }

  async open(userId: UserId): Promise<ConversationId> {
    const opened = (await this.ask({ type: "openConversation", userId })) as Answer<"opened">;
    return opened.conversation.conversationId;
  }

  append(
    conversationId: ConversationId,
    firstN: number,
    texts: readonly string[],
    more: { heldBy?: DeviceId[]; of?: DeviceId; signatures?: Uint8Array[]; ttl?: number } = {},
  ): Promise<RelayFrame> {
    return this.ask({
      type: "append",
      conversationId,
      entries: texts.map((text, i) => ({
        deviceId: more.of ?? this.key.deviceId,
        n: firstN + i,
        ttl: more.ttl ?? 0,
        signature: more.signatures?.[i] ?? null,
        payload: new TextEncoder().encode(text),
      })),
      heldBy: more.heldBy ?? [],
    });
  }

  signatureOf(conversationId: ConversationId, n: number, text: string): Uint8Array {
    return this.sign(
      entryBytes(conversationId, this.key.deviceId, {
        n,
        ttl: 0,
        payload: new TextEncoder().encode(text),
      }),
    );
  }

  createGroup(conversationId: ConversationId, memberIds: readonly UserId[]): Promise<RelayFrame> {
    const payload = new TextEncoder().encode("created");
    return this.ask({ type: "createGroup", conversationId, memberIds, payload });
  }

  change(
    conversationId: ConversationId,
    epoch: number,
    change: Partial<GroupChange>,
    text = "changed",
  ): Promise<RelayFrame> {
    return this.ask({
      type: "changeMembership",
      conversationId,
      epoch,
      change: { ...NO_CHANGE, ...change },
      payload: new TextEncoder().encode(text),
    });
  }

  /** Seqs of the page from there on, with what the relay says of head and first. */
  async page(conversationId: ConversationId, fromSeq: number, limit = 200) {
    const page = await this.ask({ type: "getEntries", conversationId, fromSeq, limit });
    if (page.type !== "page") return page;
    const { head, first, entries } = page;
    return { head, first, seqs: entries.map(({ seq }) => seq) };
  }

  async state(conversationId: ConversationId): Promise<ConversationState> {
    const answer = await this.ask({ type: "getConversation", conversationId });
    return (answer as Answer<"opened">).conversation;
  }

  async log(conversationId: ConversationId): Promise<string[]> {
    const page = await this.ask({ type: "getEntries", conversationId, fromSeq: 1, limit: 200 });
    return (page as Answer<"page">).entries.map(({ payload }) => new TextDecoder().decode(payload));
  }
}
