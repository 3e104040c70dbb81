/**
 * A client core on a stage: time stands still until told, the relay says what the test says, and
 * the store is a map that can be made to fail.
 */
import { generateKeyPairSync, randomBytes, sign } from "node:crypto";
import {
  Client,
  type DeviceKey,
  type DirectChannelEvents,
  type DirectTransport,
  type RelayWireEvents,
} from "../../electron/client/index.js";
import type { ClientEvent } from "../../shared/client-api.js";
import type { DovetailError } from "../../shared/errors.js";
import { type ConversationId, type DeviceId, deviceIdOf, type UserId } from "../../shared/ids.js";
import type { KeyValue, Range, Write } from "../../shared/key-value.js";
import { nodeCrypto } from "../../shared/node/runtime.js";
import {
  type ClientFrame,
  type ConversationState,
  clientFrames,
  type RelayFrame,
  relayFrames,
} from "../../shared/protocol.js";
import type { Clock, Log, Timer } from "../../shared/runtime.js";

export class MapStore implements KeyValue {
  readonly rows = new Map<string, Uint8Array>();
  /** When set, every write fails with it. */
  failure: DovetailError | null = null;

  async get(key: string): Promise<Uint8Array | undefined> {
    return this.rows.get(key);
  }

  async range({ from, to, reverse, limit }: Range) {
    const keys = [...this.rows.keys()].filter((key) => key >= from && key < to).sort();
    if (reverse) keys.reverse();
    return keys.slice(0, limit).map((key) => ({ key, value: this.rows.get(key) as Uint8Array }));
  }

  async batch(writes: readonly Write[]): Promise<void> {
    if (this.failure) throw this.failure;
    for (const write of writes) {
      if (write.type === "put") this.rows.set(write.key, write.value);
      else this.rows.delete(write.key);
    }
  }

  async close(): Promise<void> {}
}

/** Time that passes only when told. */
export class StillClock implements Clock {
  #now = 1_800_000_000_000;
  #behind = 0;
  readonly #timers: { at: number; callback: () => void }[] = [];

  now(): number {
    return this.#now - this.#behind;
  }

  monotonic(): number {
    return this.#now;
  }

  after(delayMs: number, callback: () => void): Timer {
    const timer = { at: this.#now + delayMs, callback };
    this.#timers.push(timer);
    return {
      cancel: () => {
        const index = this.#timers.indexOf(timer);
        if (index >= 0) this.#timers.splice(index, 1);
      },
    };
  }

  /** What the wall clock says, from now on; timers are not affected. */
  setBack(ms: number): void {
    this.#behind += ms;
  }

  async pass(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      this.#timers.sort((a, b) => a.at - b.at);
      const next = this.#timers[0];
      if (!next || next.at > end) break;
      this.#timers.shift();
      this.#now = Math.max(this.#now, next.at);
      next.callback();
      await settled();
    }
    this.#now = end;
    await settled();
  }
}

/** Lets everything run that waits for nothing but itself. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 10; i++) await new Promise((done) => setImmediate(done));
}

export function newKey(): DeviceKey & { readonly deviceId: DeviceId } {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const raw = new Uint8Array(publicKey.export({ format: "der", type: "spki" }).subarray(-32));
  return {
    publicKey: raw,
    deviceId: deviceIdOf(raw, nodeCrypto.sha256),
    sign: (message) => new Uint8Array(sign(null, message, privateKey)),
  };
}

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };

/** Distributes over the union, so that each frame keeps its own fields. */
type WithoutId<F> = F extends { requestId: number | null } ? Omit<F, "requestId"> : never;

export const RELAY = "relay-on-stage";
export const ids = {
  alice: "a1".repeat(16) as UserId,
  bob: "b0".repeat(16) as UserId,
  talk: "cc".repeat(16) as ConversationId,
};

export class Stage {
  readonly store = new MapStore();
  readonly clock = new StillClock();
  readonly key = newKey();
  /** That the relay tells. */
  addresses: string[] = [];
  /** The relay's. */
  run = new Uint8Array(8);
  readonly events: ClientEvent[] = [];
  /** What the client has sent on the present connection. */
  sent: ClientFrame[] = [];
  dialled = 0;
  dialledUrl = "";
  hungUp = 0;
  readonly channels: {
    readonly events: DirectChannelEvents;
    readonly sent: Uint8Array[];
    closed: boolean;
  }[] = [];
  client!: Client;
  #hasKey = false;
  #wire: RelayWireEvents | null = null;

  readonly #direct: DirectTransport = {
    available: true,
    open: (_options, events) => {
      const channel = { events, sent: [] as Uint8Array[], closed: false };
      this.channels.push(channel);
      return {
        signal: () => undefined,
        send: (message) => channel.sent.push(message),
        close: () => {
          channel.closed = true;
        },
      };
    },
  };

  static async open(): Promise<Stage> {
    const stage = new Stage();
    await stage.start();
    return stage;
  }

  /** Opens the client on the store as it is: what a restart finds. */
  async start(): Promise<void> {
    this.client = await Client.open(
      {
        store: this.store,
        clock: this.clock,
        crypto: nodeCrypto,
        log: silent,
        direct: this.#direct,
        random: { bytes: (count) => new Uint8Array(randomBytes(count)), fraction: () => 0.5 },
        keys: {
          load: async () => (this.#hasKey ? this.key : null),
          create: async () => {
            this.#hasKey = true;
            return this.key;
          },
        },
        relay: {
          dial: (url, events) => {
            this.dialled++;
            this.dialledUrl = url;
            this.sent = [];
            this.#wire = events;
            return {
              send: (frame) => this.sent.push(clientFrames.decode(frame)),
              close: () => {
                this.hungUp++;
                this.#wire = null;
              },
            };
          },
        },
      },
      { relayUrl: "ws://stage/", deviceName: "stage" },
    );
    this.client.subscribe((event) => this.events.push(event));
  }

  async tell(frame: RelayFrame): Promise<void> {
    await this.tellRaw(relayFrames.encode(frame));
  }

  async tellRaw(bytes: Uint8Array): Promise<void> {
    this.#wire?.frame(bytes);
    await settled();
  }

  async hangUp(code = 1006): Promise<void> {
    const wire = this.#wire;
    this.#wire = null;
    wire?.closed(code, "");
    await settled();
  }

  /** The last frame of that type that the client has sent. */
  last<T extends ClientFrame["type"]>(type: T): Extract<ClientFrame, { type: T }> {
    const found = this.sent.findLast((frame) => frame.type === type);
    if (!found) throw new Error(`the client sent no ${type}: ${this.sent.map((f) => f.type)}`);
    return found as Extract<ClientFrame, { type: T }>;
  }

  has(type: ClientFrame["type"]): boolean {
    return this.sent.some((frame) => frame.type === type);
  }

  /** Answers the last request of that type. */
  async answer<T extends ClientFrame["type"]>(
    type: T,
    frame: WithoutId<RelayFrame>,
  ): Promise<void> {
    const { requestId } = this.last(type) as { requestId: number };
    await this.tell({ ...frame, requestId } as RelayFrame);
  }

  async challenge(relay = RELAY): Promise<void> {
    this.#wire?.open();
    await this.tell({ type: "challenge", version: 1, relay, nonce: new Uint8Array(32) });
  }

  async welcome(): Promise<void> {
    await this.tell({
      type: "welcome",
      userId: ids.alice,
      deviceId: this.key.deviceId,
      handle: "alice",
      displayName: "Alice",
      now: this.clock.now(),
      heartbeatMs: 30_000,
      iceServers: [],
      addresses: this.addresses,
      run: this.run,
    });
    await this.answer("getChanges", { type: "changes", conversations: [], upTo: 0, more: false });
  }

  /** With an account, connected, and in a conversation with Bob, who is away. */
  static async withTalk(): Promise<Stage> {
    const stage = await Stage.open();
    const registered = stage.client.call("account.register", {
      handle: "alice",
      displayName: "Alice",
    });
    await settled();
    await stage.challenge();
    await stage.welcome();
    await registered;
    await stage.tell({ type: "conversation", stamp: 1, conversation: stage.talk() });
    await stage.answerPresence([]);
    return stage;
  }

  async answerPresence(devices: readonly DeviceId[]): Promise<void> {
    await this.answer("watchPresence", {
      type: "presences",
      states: [{ userId: ids.bob, devices, lastSeen: devices.length > 0 ? 0 : 1 }],
    });
  }

  /** Something that the client hears, so that it does not take the relay for dead. */
  async answerPing(): Promise<void> {
    await this.tell({ type: "pong", nonce: 0 });
  }

  talk(head = 0): ConversationState {
    const cursors = { deliveredUpTo: 0, readUpTo: 0, admin: false };
    return {
      conversationId: ids.talk,
      kind: "direct",
      head,
      epoch: 0,
      restricted: false,
      members: [
        { userId: ids.alice, handle: "alice", displayName: "Alice", ...cursors },
        { userId: ids.bob, handle: "bob", displayName: "Bob", ...cursors },
      ],
    };
  }

  send(text: string) {
    return this.client.call("messages.send", { conversationId: ids.talk, text });
  }

  messages() {
    return this.client.call("messages.list", { conversationId: ids.talk, limit: 500 });
  }
}
