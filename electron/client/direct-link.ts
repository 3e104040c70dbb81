/** One direct channel to one device, from the first signal to its end. */
import { DovetailError } from "../../shared/errors.js";
import type { DeviceId, UserId } from "../../shared/ids.js";
import type { IceServer } from "../../shared/protocol.js";
import type { Timer } from "../../shared/runtime.js";
import { type DirectFrame, directFrames } from "./direct-frames.js";
import type { ClientPorts, DirectChannel } from "./ports.js";
import type { Signal } from "./signals.js";

/** ICE over a TURN server on a slow line takes a few seconds; what takes longer will not come. */
const CONNECT_MS = 12_000;
/** How often an open channel proves that it is alive. */
const PING_MS = 2_000;
/** Silence after which a channel is dead; ICE itself needs five seconds to say so. */
const DEAD_MS = 5_000;
/** A channel that carried nothing but pings for this long is closed to save both sides' work. */
const IDLE_MS = 5 * 60_000;

export interface DirectLinkEvents {
  /** Carry this signal to the other side. */
  signal(signal: Signal): void;
  open(): void;
  frame(frame: DirectFrame): void;
  /** Exactly once. `wanted` is false when the other side does not want a channel for now. */
  closed(reason: string, wanted: boolean): void;
}

export interface DirectPeer {
  readonly userId: UserId;
  readonly deviceId: DeviceId;
}

export class DirectLink {
  readonly peer: DirectPeer;
  readonly session: Uint8Array;
  readonly initiator: boolean;
  /** No attempt with this device failed lately: it is worth waiting a moment for this one. */
  readonly hopeful: boolean;
  readonly startedAt: number;
  /** The peer's, from its first signal. */
  publicKey: Uint8Array | null = null;
  readonly #ports: ClientPorts;
  readonly #events: DirectLinkEvents;
  readonly #channel: DirectChannel;
  #state: "connecting" | "open" | "closed" = "connecting";
  #wasOpen = false;
  #sentSignals = 0;
  #heardAt: number;
  #usedAt: number;
  #timer: Timer;

  constructor(
    ports: ClientPorts,
    options: {
      readonly peer: DirectPeer;
      readonly session: Uint8Array;
      readonly initiator: boolean;
      readonly hopeful: boolean;
      readonly iceServers: readonly IceServer[];
    },
    events: DirectLinkEvents,
  ) {
    this.#ports = ports;
    this.#events = events;
    this.peer = options.peer;
    this.session = options.session;
    this.initiator = options.initiator;
    this.hopeful = options.hopeful;
    this.startedAt = this.#heardAt = this.#usedAt = ports.clock.monotonic();
    this.#timer = ports.clock.after(CONNECT_MS, () => this.#end("no connection in time", true));
    this.#channel = ports.direct.open(options, {
      signal: (data) => this.#sendSignal(data),
      open: () => this.#opened(),
      message: (bytes) => this.#receive(bytes),
      closed: (reason) => this.#end(reason, true),
    });
  }

  get state(): "connecting" | "open" | "closed" {
    return this.#state;
  }

  get wasOpen(): boolean {
    return this.#wasOpen;
  }

  /** The other side's signal of this session. */
  signal(signal: Signal): void {
    if (signal.kind === "refuse") this.#end("refused", false);
    else if (this.#state !== "closed") this.#channel.signal(signal.data);
  }

  send(frame: DirectFrame): void {
    if (this.#state !== "open") return;
    if (frame.type !== "ping" && frame.type !== "pong") this.#used();
    this.#channel.send(directFrames.encode(frame));
  }

  /** Says goodbye where there is somebody to hear it, and ends. */
  close(reason: "idle" | "unwanted" | "closing"): void {
    this.send({ type: "goodbye", reason });
    this.#end(reason, reason !== "unwanted");
  }

  #sendSignal(data: Uint8Array): void {
    if (this.#state === "closed") return;
    const kind = this.initiator ? "offer" : "answer";
    this.#events.signal({ session: this.session, kind, index: this.#sentSignals++, data });
  }

  #opened(): void {
    if (this.#state !== "connecting") return;
    this.#state = "open";
    this.#wasOpen = true;
    this.#heardAt = this.#ports.clock.monotonic();
    this.#watch();
    this.#events.open();
  }

  #receive(bytes: Uint8Array): void {
    if (this.#state !== "open") return;
    this.#heardAt = this.#ports.clock.monotonic();
    let frame: DirectFrame;
    try {
      frame = directFrames.decode(bytes);
    } catch (error) {
      this.#end(DovetailError.from(error).message, true);
      return;
    }
    if (frame.type === "ping") this.send({ type: "pong" });
    else if (frame.type === "goodbye") this.#end(frame.reason, frame.reason !== "unwanted");
    else if (frame.type !== "pong") {
      this.#used();
      this.#events.frame(frame);
    }
  }

  #used(): void {
    this.#usedAt = this.#ports.clock.monotonic();
  }

  #watch(): void {
    this.#timer.cancel();
    this.#timer = this.#ports.clock.after(PING_MS, () => {
      const now = this.#ports.clock.monotonic();
      if (now - this.#heardAt >= DEAD_MS) this.#end("silent", true);
      else if (now - this.#usedAt >= IDLE_MS) this.close("idle");
      else {
        this.send({ type: "ping" });
        this.#watch();
      }
    });
  }

  #end(reason: string, wanted: boolean): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#timer.cancel();
    this.#channel?.close();
    this.#events.closed(reason, wanted);
  }
}
