/** The connection to the relay: handshake, heartbeat, back-off, requests and their answers. */
import type { ErrorCode } from "../../shared/errors.js";
import { DovetailError } from "../../shared/errors.js";
import { deviceIdOf } from "../../shared/ids.js";
import { pairingPlace, pairingProof } from "../../shared/pairing.js";
import {
  authenticationBytes,
  type ClientFrame,
  CloseCode,
  clientFrames,
  linkBytes,
  PROTOCOL_VERSION,
  type RelayFrame,
  registrationBytes,
  relayFrames,
} from "../../shared/protocol.js";
import type { Timer } from "../../shared/runtime.js";
import { backoffMs, refusedBackoffMs } from "./backoff.js";
import type { ClientOptions, ClientPorts, DeviceKey, RelayWire } from "./ports.js";
import { RelayAddresses } from "./relay-addresses.js";
import { type Answer, type Request, Requests, type RequestType } from "./requests.js";

export type Welcome = Extract<RelayFrame, { type: "welcome" }>;
export type Push = Extract<
  RelayFrame,
  {
    type:
      | "conversation"
      | "entries"
      | "placed"
      | "cursors"
      | "presence"
      | "typing"
      | "attention"
      | "servers"
      | "signal"
      | "linking"
      | "devicesChanged"
      | "deviceRemoved";
  }
>;

/** What a connection needs of the client's ports. */
export type LinkPorts = Pick<ClientPorts, "relay" | "clock" | "random" | "crypto" | "log">;

export interface RelayLinkEvents {
  /** Synchronously before anything else of this connection is handed on. `relay` is its name. */
  connected(welcome: Welcome, relay: string): void;
  disconnected(): void;
  push(frame: Push): void;
  /** The state, the time of the next try or the error changed. */
  changed(): void;
}

/** As somebody new. */
export interface Registration {
  readonly kind: "register";
  readonly handle: string;
  readonly displayName: string;
  readonly invite: string | null;
}

/** As a new device of somebody whose other device shows the code. */
export interface Linking {
  readonly kind: "link";
  readonly code: string;
}

/** How to come in. */
export interface Credentials {
  readonly key: DeviceKey;
  /** The name of the relay that the account is at; null accepts any. */
  readonly relay: string | null;
  /** Null as the device that is known. */
  readonly entrance: Registration | Linking | null;
}

/** From dialling to `welcome`. */
const HANDSHAKE_MS = 10_000;
/** A person has to do something at the other device; the relay keeps the place for five minutes. */
export const LINK_MS = 5 * 60_000 + HANDSHAKE_MS;
/** The relay may ask for less, never for more: a dead connection is to be noticed within half a minute. */
export const LONGEST_HEARTBEAT_MS = 20_000;
/** From a ping until nothing is expected of that connection any more; where heartbeats are shorter, one of them. */
const PATIENCE_MS = 10_000;
/** The same where something suggests that it is dead, and somebody looks on. */
const SHORT_PATIENCE_MS = 5_000;
/** A connection that lived this long was a success: the next failure starts a new back-off. */
const STABLE_MS = 5_000;

/** What the relay closes with when the same handshake would fail again. */
const LASTING: ReadonlySet<ErrorCode> = new Set([
  "unsupported_version",
  "unknown_device",
  "bad_signature",
  "wrong_relay",
  "invite_required",
  "invite_invalid",
  "device_removed",
  "pairing_unknown",
]);

/** Refusals of a request that say when to ask again. */
const LATER: ReadonlySet<ErrorCode> = new Set(["rate_limited", "overloaded"]);
/** So long one request is asked again and again; whoever asked then hears of it. */
const ASKING_MS = 15_000;

/** What says nothing of how the relay would answer. */
const OUT_OF_REACH: ReadonlySet<ErrorCode> = new Set(["relay_unreachable", "timeout"]);

export class RelayLink {
  readonly #ports: LinkPorts;
  readonly #options: ClientOptions;
  readonly #events: RelayLinkEvents;
  readonly #requests: Requests;
  readonly #addresses: RelayAddresses;
  /** That of the last connection. */
  #address: string;
  #credentials: Credentials | null = null;
  #wire: RelayWire | null = null;
  /** Counts connections, so that what a closed one still tells is not believed. */
  #generation = 0;
  #stage: "idle" | "greeting" | "proving" | "ready" = "idle";
  #relay = "";
  #attempt = 0;
  #openedAt = 0;
  #heardAt = 0;
  #pingedAt = 0;
  #heartbeatMs = LONGEST_HEARTBEAT_MS;
  #timer: Timer | null = null;
  #retryAt: number | null = null;
  /** The relay is not to be dialled before that, by its own word; monotonic. */
  #notBefore = 0;
  #error: DovetailError | null = null;
  #closed = false;

  constructor(ports: LinkPorts, options: ClientOptions, events: RelayLinkEvents) {
    this.#ports = ports;
    this.#options = options;
    this.#events = events;
    this.#address = options.relayUrl;
    this.#addresses = new RelayAddresses(options.relayUrl, ports.random);
    this.#requests = new Requests(ports.clock, (frame) => this.#send(frame));
  }

  get state(): "connected" | "connecting" | "reconnecting" | "offline" {
    if (this.#stage === "ready") return "connected";
    if (this.#stage !== "idle") return "connecting";
    return this.#retryAt === null ? "offline" : "reconnecting";
  }

  get connected(): boolean {
    return this.#stage === "ready";
  }

  get retryAt(): number | null {
    return this.#retryAt;
  }

  get error(): DovetailError | null {
    return this.#error;
  }

  /** Begins to connect, and to reconnect for ever after. */
  start(credentials: Credentials): void {
    this.#credentials = credentials;
    this.#attempt = 0;
    this.#error = null;
    this.#dial();
  }

  /** Gives up trying, as before {@link start}. */
  stop(): void {
    this.#credentials = null;
    this.#drop();
    this.#timer?.cancel();
    this.#retryAt = null;
  }

  close(): void {
    this.stop();
    this.#closed = true;
  }

  /** Connects now instead of when the back-off ends, or as soon as the relay has said that one may. */
  retryNow(): void {
    if (this.#retryAt === null) return;
    const waitMs = this.#notBefore - this.#ports.clock.monotonic();
    if (waitMs > 0) this.#dialAfter(waitMs);
    else this.#dial();
  }

  /**
   * The machine has woken up, or has a network again: connects now, or finds out within seconds whether the
   * connection has outlived that.
   */
  refresh(): void {
    if (!this.connected) this.retryNow();
    else if (this.#pingedAt <= this.#heardAt) this.#ping(SHORT_PATIENCE_MS);
  }

  /**
   * Asked again when the relay says so, for a while: every request may be made twice. Where the relay
   * says nothing at all meanwhile, the connection is given up.
   * @throws DovetailError what the relay answered; `relay_unreachable` without a connection or when
   * it ends before the answer; `timeout`.
   */
  async request<T extends RequestType>(type: T, fields: Request<T>): Promise<Answer<T>> {
    const generation = this.#generation;
    const { clock, random } = this.#ports;
    const until = clock.monotonic() + ASKING_MS;
    for (let attempt = 1; this.connected && generation === this.#generation; attempt++) {
      const askedAt = clock.monotonic();
      try {
        return await this.#requests.ask(type, fields);
      } catch (thrown) {
        const error = DovetailError.from(thrown);
        const isCurrent = generation === this.#generation;
        if (isCurrent && error.code === "timeout" && this.#heardAt < askedAt) {
          this.#failed(silence());
        }
        if (!LATER.has(error.code) || error.retryAfterMs === undefined) throw error;
        // At random, for many may be told the same.
        const waitMs = Math.max(error.retryAfterMs, backoffMs(attempt, random.fraction()));
        if (clock.monotonic() + waitMs > until) throw error;
        await new Promise<void>((resolve) => void clock.after(waitMs, resolve));
      }
    }
    throw new DovetailError("relay_unreachable");
  }

  /** Sends what needs no answer; without a connection it does nothing. */
  tell(frame: Extract<ClientFrame, { type: "typing" | "attention" }>): void {
    if (this.connected) this.#send(frame);
  }

  /** Where the relay is found as well: tried where the present address fails, and at the next start. */
  learn(addresses: readonly string[]): void {
    this.#addresses.learn(addresses);
  }

  /** Ends the connection because of a fault on this side, and connects anew with back-off. */
  restart(error: DovetailError): void {
    this.#failed(error);
  }

  #send(frame: ClientFrame): void {
    this.#wire?.send(clientFrames.encode(frame));
  }

  #dial(): void {
    if (this.#closed || !this.#credentials) return;
    this.#drop();
    this.#timer?.cancel();
    this.#retryAt = null;
    this.#stage = "greeting";
    const generation = ++this.#generation;
    const current = () => generation === this.#generation;
    this.#allow(HANDSHAKE_MS);
    this.#address = this.#addresses.next();
    this.#wire = this.#ports.relay.dial(this.#address, {
      open: () => {
        if (!current()) return;
        this.#send({ type: "hello", version: PROTOCOL_VERSION, client: this.#options.deviceName });
      },
      frame: (bytes) => {
        if (current()) this.#receive(bytes);
      },
      closed: (code, reason, retryAfterMs) => {
        if (current()) this.#failed(closeError(code, reason, retryAfterMs));
      },
    });
    this.#events.changed();
  }

  /** So long the handshake may take from now. */
  #allow(ms: number): void {
    this.#timer?.cancel();
    this.#timer = this.#ports.clock.after(ms, () => {
      this.#failed(new DovetailError("timeout", "The relay did not answer."));
    });
  }

  #receive(bytes: Uint8Array): void {
    this.#heardAt = this.#ports.clock.monotonic();
    try {
      this.#handle(relayFrames.decode(bytes));
    } catch (error) {
      // A relay that cannot be understood is left; what it said is not half believed.
      this.#ports.log.warn("a frame of the relay was not understood", { error: String(error) });
      this.#failed(DovetailError.from(error));
    }
  }

  #handle(frame: RelayFrame): void {
    if (frame.type === "error" && frame.requestId === null) {
      this.#failed(new DovetailError(frame.code, frame.message, detailOf(frame)));
    } else if (this.#stage === "greeting" && frame.type === "challenge") {
      this.#prove(frame);
    } else if (this.#stage === "proving" && frame.type === "welcome") {
      this.#enter(frame);
    } else if (this.#stage !== "ready") {
      throw new DovetailError("unexpected_frame", `The relay sent ${frame.type} in the handshake.`);
    } else if (frame.type === "ping") {
      this.#send({ type: "pong", nonce: frame.nonce });
    } else if (frame.type === "error") {
      const failure = new DovetailError(frame.code, frame.message, detailOf(frame));
      this.#requests.reject(frame.requestId as number, failure);
    } else if ("requestId" in frame) {
      this.#requests.resolve(frame);
    } else if (frame.type !== "pong" && frame.type !== "challenge" && frame.type !== "welcome") {
      this.#events.push(frame);
    }
  }

  #prove({ relay, nonce }: Extract<RelayFrame, { type: "challenge" }>): void {
    const { key, relay: expected, entrance } = this.#credentials as Credentials;
    if (expected !== null && expected !== relay) {
      const told = this.#addresses.isAnothers(this.#address);
      throw new DovetailError(told ? "relay_unreachable" : "wrong_relay");
    }
    this.#relay = relay;
    this.#stage = "proving";
    const { publicKey } = key;
    const { deviceName } = this.#options;
    if (entrance?.kind === "link") {
      const { sha256 } = this.#ports.crypto;
      const asked = { place: pairingPlace(entrance.code, sha256), publicKey, deviceName };
      const proof = pairingProof(entrance.code, publicKey, deviceName, sha256);
      const signature = key.sign(linkBytes(relay, nonce, asked));
      this.#allow(LINK_MS);
      this.#send({ type: "link", ...asked, proof, signature });
    } else if (entrance) {
      const { handle, displayName, invite } = entrance;
      const wanted = { handle, displayName, deviceName, publicKey };
      const signature = key.sign(registrationBytes(relay, nonce, wanted));
      this.#send({ type: "register", ...wanted, invite, signature });
    } else {
      const deviceId = deviceIdOf(publicKey, this.#ports.crypto.sha256);
      const signature = key.sign(authenticationBytes(relay, nonce, deviceId));
      this.#send({ type: "authenticate", deviceId, signature });
    }
  }

  #enter(welcome: Welcome): void {
    this.#stage = "ready";
    this.#error = null;
    this.#addresses.served();
    this.#openedAt = this.#ports.clock.monotonic();
    this.#heartbeatMs = Math.min(welcome.heartbeatMs, LONGEST_HEARTBEAT_MS);
    // From now on this device is known: a lost connection comes back with the key alone.
    this.#credentials = {
      ...(this.#credentials as Credentials),
      relay: this.#relay,
      entrance: null,
    };
    this.#beat();
    this.#events.connected(welcome, this.#relay);
    this.#events.changed();
  }

  #beat(): void {
    const patienceMs = Math.min(PATIENCE_MS, this.#heartbeatMs);
    this.#timer?.cancel();
    this.#timer = this.#ports.clock.after(this.#heartbeatMs - patienceMs, () => {
      this.#ping(patienceMs);
    });
  }

  #ping(patienceMs: number): void {
    const { clock } = this.#ports;
    this.#pingedAt = clock.monotonic();
    this.#send({ type: "ping", nonce: 0 });
    this.#timer?.cancel();
    this.#timer = clock.after(patienceMs, () => {
      if (this.#heardAt < this.#pingedAt) this.#failed(silence());
      else this.#beat();
    });
  }

  #failed(error: DovetailError): void {
    if (!this.#credentials) return;
    this.#addresses.failed(this.#address);
    const lived = this.#stage === "ready" ? this.#ports.clock.monotonic() - this.#openedAt : 0;
    this.#attempt = lived >= STABLE_MS ? 1 : this.#attempt + 1;
    // What the relay refused this device for is not over because it cannot be asked meanwhile.
    const refused = this.#error !== null && LASTING.has(this.#error.code);
    if (!refused || !OUT_OF_REACH.has(error.code)) this.#error = error;
    this.#drop();
    const random = this.#ports.random.fraction();
    const wait = LASTING.has(error.code)
      ? refusedBackoffMs(random)
      : backoffMs(this.#attempt, random);
    const told = error.retryAfterMs ?? 0;
    this.#notBefore = this.#ports.clock.monotonic() + told;
    const delay = Math.max(wait, told);
    this.#ports.log.info("relay connection ended", { code: error.code, retryInMs: delay });
    this.#dialAfter(delay);
  }

  #dialAfter(delayMs: number): void {
    this.#retryAt = this.#ports.clock.now() + delayMs;
    this.#timer?.cancel();
    this.#timer = this.#ports.clock.after(delayMs, () => this.#dial());
    this.#events.changed();
  }

  /** Forgets the connection, if there is one. */
  #drop(): void {
    const wasReady = this.#stage === "ready";
    const wire = this.#wire;
    this.#generation++;
    this.#wire = null;
    this.#stage = "idle";
    wire?.close();
    this.#requests.rejectAll(new DovetailError("relay_unreachable"));
    if (wasReady) this.#events.disconnected();
  }
}

const silence = (): DovetailError => new DovetailError("timeout", "The relay fell silent.");

const detailOf = (frame: Extract<RelayFrame, { type: "error" }>) => ({
  retryAfterMs: frame.retryAfterMs ?? undefined,
  expected: frame.expected ?? undefined,
});

const closeError = (code: number, reason: string, retryAfterMs?: number): DovetailError =>
  code === CloseCode.restart
    ? new DovetailError("shutting_down")
    : new DovetailError("relay_unreachable", reason || undefined, { retryAfterMs });
