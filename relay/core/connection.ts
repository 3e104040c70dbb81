import { DovetailError, type ErrorCode } from "../../shared/errors.js";
import type { DeviceId, UserId } from "../../shared/ids.js";
import { MAX_FRAME_BYTES, MAX_RELAY_ADDRESSES } from "../../shared/limits.js";
import {
  type ClientFrame,
  CloseCode,
  clientFrames,
  type RelayFrame,
  relayFrames,
} from "../../shared/protocol.js";
import type { Timer } from "../../shared/runtime.js";
import { ANSWER_MS, HANDSHAKE_MS, HARD_BUFFER_BYTES, PAIRING_MS, SERVERS_MS } from "./bounds.js";
import type { RelayConfig } from "./config.js";
import type { Address, Peer } from "./connections.js";
import { errorFrame, presentable } from "./failures.js";
import { Handshake, mayRegisterAgain, type Proven } from "./handshake.js";
import { Inbound } from "./inbound.js";
import { isOpening } from "./openings.js";
import type { Applicant, PairingBoard } from "./pairing.js";
import type { People } from "./people.js";
import type { ClientWire, ConnectionLimits, Device, RelayPorts } from "./ports.js";
import type { Request } from "./requests.js";
import type { WriteHealth } from "./write-health.js";

/** What a connection needs of the relay that it belongs to. */
export interface ConnectionContext {
  readonly ports: RelayPorts;
  readonly config: RelayConfig;
  readonly people: People;
  readonly health: WriteHealth;
  /** Of this node. */
  readonly node: string;
  /** Names this start of the relay; of nodes that hear each other, on a store that none restores, the same. */
  readonly run: Uint8Array;
  /** Where clients find this relay's nodes: some of them, where there are many. */
  addresses(): readonly string[];
  /** Where a new device asks to be added. */
  readonly applications: Pick<PairingBoard, "ask" | "leave">;
  /** @throws DovetailError `rate_limited`; `overloaded` where another node counts and gives no answer. */
  mayOpen(connection: Connection): Promise<void>;
  /** A frame, or one that is encoded already. */
  answer(connection: Connection, frame: Request): Promise<RelayFrame | Uint8Array | null>;
  proven(connection: Connection, registered: boolean): void;
  ended(connection: Connection): void;
}

/** One client's connection: handshake, then requests, heartbeats both ways, then the end. */
export class Connection implements Peer {
  readonly address: Address;
  readonly #wire: ClientWire;
  readonly #limits: ConnectionLimits;
  readonly #context: ConnectionContext;
  readonly #inbound: Inbound;
  readonly #handshake: Handshake;
  #proven: Proven | null = null;
  #applicant: Applicant | null = null;
  #ended = false;
  #timer: Timer;
  #lastHeard: number;
  #pings = 0;
  /** A ping has gone out since the client was last heard. */
  #pinged = false;
  /** When the client was told of servers, on the steady clock. */
  #toldServersAt = 0;
  #toldAddresses: readonly string[] = [];
  /** Changes found in the inbox so far; null once it has heard of all. */
  #found: number | null = 0;

  constructor(
    wire: ClientWire,
    limits: ConnectionLimits,
    context: ConnectionContext,
    number: number,
  ) {
    const { ports, config, people, health, node } = context;
    this.address = { node, connection: number };
    this.#wire = wire;
    this.#limits = limits;
    this.#context = context;
    this.#inbound = new Inbound(wire, ports.clock, (frame) => this.#handle(frame));
    this.#handshake = new Handshake(ports, config, people, health, limits);
    this.#lastHeard = ports.clock.monotonic();
    this.#timer = ports.clock.after(HANDSHAKE_MS, () => {
      const error = new DovetailError("not_authenticated", "The handshake took too long.");
      this.#refuse(error, CloseCode.silent);
    });
  }

  get userId(): UserId {
    return this.#identity().person.userId;
  }

  get deviceId(): DeviceId {
    return this.#identity().deviceId;
  }

  receive(frame: Uint8Array): void {
    if (this.#ended) return;
    this.#heard();
    this.#context.ports.metrics.count("framesIn");
    if (!this.#inbound.push(frame)) {
      this.#refuse(new DovetailError("rate_limited"), CloseCode.limited);
    }
  }

  /** A frame of a kind that the protocol does not have, such as a text message. */
  receiveForeign(): void {
    const error = new DovetailError("malformed_frame", "Frames are binary messages.");
    this.#refuse(error, CloseCode.protocol);
  }

  send(frame: Uint8Array): void {
    if (this.#ended) return;
    this.#context.ports.metrics.count("framesOut");
    this.#wire.send(frame);
    if (this.#wire.bufferedBytes > HARD_BUFFER_BYTES) this.#dropSlow();
    else this.#inbound.sent();
  }

  replaced(): void {
    this.close(CloseCode.replaced, "the device connected again");
  }

  removed(): void {
    this.#refuse(new DovetailError("device_removed"), CloseCode.refused);
  }

  /** Takes no further requests; those that run may still end. */
  drain(): void {
    this.#inbound.stop();
  }

  /** Ends what runs and sends the client away, which comes back after so many milliseconds. */
  async sendAway(retryAfterMs: number): Promise<void> {
    this.drain();
    // Who is not proven has nothing that could be lost, and may wait for somebody at another device.
    if (this.#proven && !this.#ended) {
      const { clock } = this.#context.ports;
      await new Promise<void>((resolve) => {
        const timer = clock.after(ANSWER_MS, resolve);
        void this.#inbound.idle().then(() => {
          timer.cancel();
          resolve();
        });
      });
    }
    this.bid(retryAfterMs);
  }

  /** Sends the client away at once. */
  bid(retryAfterMs: number): void {
    this.#refuse(
      new DovetailError("shutting_down", undefined, { retryAfterMs }),
      CloseCode.restart,
    );
  }

  close(code: number, reason: string): void {
    if (this.#ended) return;
    this.#wire.close(code, reason);
    this.closed();
  }

  /** The wire has closed, whoever did it. */
  closed(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#timer.cancel();
    this.#inbound.stop();
    if (this.#applicant) this.#context.applications.leave(this.#applicant);
    this.#context.ended(this);
  }

  /** What the client has not taken yet. */
  get bufferedBytes(): number {
    return this.#wire.bufferedBytes;
  }

  get open(): boolean {
    return !this.#ended;
  }

  get isProven(): boolean {
    return this.#proven !== null;
  }

  #identity(): Proven {
    if (!this.#proven) throw new DovetailError("not_authenticated");
    return this.#proven;
  }

  #handle(bytes: Uint8Array): { done: Promise<void>; alone: boolean } | null {
    if (this.#ended) return null;
    let frame: ClientFrame;
    try {
      if (bytes.length > MAX_FRAME_BYTES) throw new DovetailError("frame_too_large");
      frame = clientFrames.decode(bytes);
    } catch (error) {
      this.#refuse(DovetailError.from(error), CloseCode.protocol);
      return null;
    }
    if (!this.#proven) return { done: this.#shake(frame), alone: true };
    switch (frame.type) {
      case "ping":
        this.#reply({ type: "pong", nonce: frame.nonce });
        return null;
      case "pong":
        return null;
      case "hello":
      case "register":
      case "authenticate":
      case "link":
        this.#refuse(new DovetailError("unexpected_frame"), CloseCode.protocol);
        return null;
      default:
        // What was opened may be written to by the very next frame.
        return { done: this.#answer(frame), alone: isOpening(frame) };
    }
  }

  async #shake(frame: ClientFrame): Promise<void> {
    try {
      switch (frame.type) {
        case "hello":
          return this.#reply(this.#handshake.hello(frame));
        case "register":
          return this.#welcome(await this.#handshake.register(frame), true);
        case "authenticate":
          return this.#welcome(await this.#handshake.authenticate(frame), false);
        case "link":
          return this.#welcome(await this.#link(frame), false);
        default:
          throw new DovetailError("not_authenticated", "The handshake is not over.");
      }
    } catch (thrown) {
      const error = presentable(thrown, this.#context.ports.log);
      if (frame.type === "register" && mayRegisterAgain.has(error.code)) this.#tell(null, error);
      else this.#refuse(error, closeCodeOf(error.code));
    }
  }

  /** Waits for a device of the account to add this one, as long as the place may be open. */
  async #link(frame: Extract<ClientFrame, { type: "link" }>): Promise<Proven> {
    this.#handshake.checkLink(frame);
    const { people, applications, ports } = this.#context;
    this.#timer.cancel();
    this.#timer = ports.clock.after(PAIRING_MS, () => {
      this.#refuse(new DovetailError("pairing_unknown"), CloseCode.refused);
    });
    const device = await new Promise<Device>((added, refused) => {
      this.#applicant = { ...frame, added, refused };
      applications.ask(frame.place, this.#applicant);
    });
    const person = await people.user(device.userId);
    if (!person) throw new DovetailError("unknown_device");
    return { person, deviceId: device.deviceId };
  }

  #welcome(proven: Proven, registered: boolean): void {
    if (this.#ended) return;
    this.#proven = proven;
    const { ports, config } = this.#context;
    const { userId, handle, displayName } = proven.person;
    this.#reply({
      type: "welcome",
      userId,
      deviceId: proven.deviceId,
      handle,
      displayName,
      now: ports.clock.now(),
      heartbeatMs: config.heartbeatMs,
      ...this.#servers(),
      run: this.#context.run,
    });
    this.#timer.cancel();
    this.#beatLater();
    this.#context.proven(this, registered);
  }

  /** What the client may turn to, from now on. */
  #servers() {
    const { ports, config, addresses } = this.#context;
    this.#toldServersAt = ports.clock.monotonic();
    this.#toldAddresses = addresses();
    return { iceServers: config.iceServers(this.userId), addresses: this.#toldAddresses };
  }

  /** One address too few to know is worth a frame; one too many does no harm, the client tries another. */
  #hasNewAddress(): boolean {
    const told = this.#toldAddresses;
    if (told.length >= MAX_RELAY_ADDRESSES) return false;
    return this.#context.addresses().some((address) => !told.includes(address));
  }

  async #answer(frame: Request): Promise<void> {
    const requestId = "requestId" in frame ? frame.requestId : null;
    try {
      const retryAfterMs = this.#limits.request(this.deviceId);
      if (retryAfterMs > 0) {
        this.#context.ports.metrics.count("rateLimited");
        throw new DovetailError("rate_limited", undefined, { retryAfterMs });
      }
      if (isOpening(frame)) await this.#context.mayOpen(this);
      const reply = await this.#context.answer(this, frame);
      if (reply instanceof Uint8Array) this.send(reply);
      else if (reply) this.#reply(reply);
      if (reply && "type" in reply && reply.type === "changes") this.#looked(reply);
    } catch (thrown) {
      // Without a request there is nobody to tell.
      if (requestId !== null) this.#tell(requestId, presentable(thrown, this.#context.ports.log));
    }
  }

  #looked({ conversations, more }: Extract<RelayFrame, { type: "changes" }>): void {
    if (this.#found === null) return;
    this.#found += conversations.length;
    if (more) return;
    this.#context.ports.metrics.caughtUp(this.#found);
    this.#found = null;
  }

  #reply(frame: RelayFrame): void {
    this.send(relayFrames.encode(frame));
  }

  #tell(requestId: number | null, error: DovetailError): void {
    this.#context.ports.metrics.failed(error.code);
    this.#reply(errorFrame(requestId, error));
  }

  #refuse(error: DovetailError, closeCode: number): void {
    if (this.#ended) return;
    this.#tell(null, error);
    this.close(closeCode, error.code);
  }

  #dropSlow(): void {
    this.#context.ports.metrics.count("droppedSlow");
    this.#context.ports.metrics.failed("too_slow");
    this.close(CloseCode.slow, "too_slow");
  }

  #heard(): void {
    this.#lastHeard = this.#context.ports.clock.monotonic();
    this.#pinged = false;
  }

  #beatLater(): void {
    const { heartbeatMs } = this.#context.config;
    this.#timer = this.#context.ports.clock.after(heartbeatMs, () => this.#beat());
  }

  #beat(): void {
    const { heartbeatMs } = this.#context.config;
    const patienceMs = 2 * heartbeatMs;
    const now = this.#context.ports.clock.monotonic();
    if (this.#inbound.holdsBack || this.#wire.resting) this.#heard();
    const silentMs = now - this.#lastHeard;
    if (this.#inbound.behindMs >= patienceMs) {
      this.#dropSlow();
    } else if (silentMs >= patienceMs && this.#pinged) {
      this.close(CloseCode.silent, "silent");
    } else {
      // Clients ping by themselves: what has just been heard need not be asked.
      if (silentMs >= heartbeatMs) {
        this.#pinged = true;
        this.#pings = (this.#pings + 1) % 0x1_0000_0000;
        this.#reply({ type: "ping", nonce: this.#pings });
      }
      const isOld = now >= this.#toldServersAt + SERVERS_MS;
      if (this.#proven && (isOld || this.#hasNewAddress())) {
        this.#reply({ type: "servers", ...this.#servers() });
      }
    }
    if (!this.#ended) this.#beatLater();
  }
}

/** For a handshake that failed. */
function closeCodeOf(code: ErrorCode): number {
  if (code === "not_authenticated" || code === "unexpected_frame") return CloseCode.protocol;
  return code === "internal" ? CloseCode.restart : CloseCode.refused;
}
