/**
 * The one file that knows simple-peer (9.11.1, last changed in 2022). It gives the DirectChannel
 * contract in Node, with a WebRTC implementation passed in, and in a browser window, with its own.
 */
import SimplePeer from "simple-peer";
import { z } from "zod";
import { fromUtf8, utf8 } from "../../shared/bytes.js";
import { MAX_SIGNAL_BYTES } from "../../shared/limits.js";
import type { IceServer } from "../../shared/protocol.js";
import {
  type DirectChannel,
  type DirectChannelEvents,
  MAX_DIRECT_FRAME_BYTES,
} from "../client/ports.js";

/** Bytes that may wait on a channel. simple-peer's own queue ends at 16 MiB with an exception. */
const MAX_QUEUED_BYTES = 8 * 1024 * 1024;
/** Bytes that the other side, connected a moment earlier, may send before this side is. */
const MAX_EARLY_BYTES = 1024 * 1024;
/** ICE candidates of the other side: a machine with many networks and all servers has 50. */
const MAX_CANDIDATES = 128;
/** The core's envelope around a signal. */
const SIGNAL_ENVELOPE_BYTES = 512;
/** How long what was written just before closing, a goodbye, may take to leave. */
const LINGER_MS = 500;

/** What simple-peer's `signal` takes for a channel without media (its README, "signal" event). */
const signalData = z.union([
  z.object({ type: z.enum(["offer", "answer"]), sdp: z.string().min(1) }),
  z.object({
    type: z.literal("candidate"),
    candidate: z.object({
      candidate: z.string().max(1024),
      sdpMLineIndex: z.int().min(0).max(255).nullish(),
      sdpMid: z.string().max(64).nullish(),
    }),
  }),
]);

/** A WebRTC implementation, as @roamhq/wrtc is one. */
export type WebRtc = NonNullable<SimplePeer.Options["wrtc"]>;

export interface PeerOptions {
  readonly initiator: boolean;
  readonly iceServers: readonly IceServer[];
  /** Where the platform has no WebRTC of its own. */
  readonly wrtc?: WebRtc;
}

/** Reports no event before it has returned: simple-peer begins in a later turn. */
export const openPeer = (options: PeerOptions, events: DirectChannelEvents): DirectChannel =>
  new PeerChannel(options, events);

class PeerChannel implements DirectChannel {
  readonly #peer: SimplePeer.Instance;
  readonly #events: DirectChannelEvents;
  readonly #initiator: boolean;
  #state: "connecting" | "open" | "over" = "connecting";
  #described = false;
  #candidates = 0;
  #queuedBytes = 0;
  #early: Uint8Array[] = [];
  #earlyBytes = 0;

  constructor(options: PeerOptions, events: DirectChannelEvents) {
    this.#events = events;
    this.#initiator = options.initiator;
    this.#peer = new SimplePeer({
      initiator: options.initiator,
      trickle: true,
      // Messages stay messages: as a byte stream it would drop empty ones.
      objectMode: true,
      config: { iceServers: options.iceServers.map(rtcIceServer) },
      ...(options.wrtc && { wrtc: options.wrtc }),
    });
    this.#peer.on("signal", (data) => this.#sendSignal(data));
    this.#peer.on("connect", () => this.#opened());
    this.#peer.on("data", (data: unknown) => this.#received(data));
    this.#peer.on("iceStateChange", (state: string) => {
      // The core opens a new channel faster than ICE finds out that this one has failed.
      if (state === "disconnected" || state === "failed") this.#end(`ICE ${state}`);
    });
    // The other side's end arrives as an error as often as not.
    this.#peer.on("error", (error) => this.#end(error.message));
    this.#peer.on("close", () => this.#end("closed by the other side"));
  }

  signal(payload: Uint8Array): void {
    if (this.#state === "over") return;
    try {
      this.#peer.signal(this.#accept(payload));
    } catch {
      this.#end("malformed signal");
    }
  }

  send(message: Uint8Array): void {
    if (message.length > MAX_DIRECT_FRAME_BYTES) throw new RangeError("message too large");
    if (this.#state === "over") return;
    this.#queuedBytes += message.length;
    if (this.#queuedBytes > MAX_QUEUED_BYTES) {
      this.#end("the other side is too slow");
      return;
    }
    this.#peer.write(message, () => {
      this.#queuedBytes -= message.length;
    });
  }

  close(): void {
    if (this.#state === "open") {
      // Reported at once; what is on its way gets its moment.
      setTimeout(() => this.#peer.destroy(), LINGER_MS);
      this.#finish("closed here");
    } else this.#end("closed here");
  }

  /** @throws for anything but what the other side's simple-peer would say at this point. */
  #accept(payload: Uint8Array): SimplePeer.SignalData {
    if (payload.length > MAX_SIGNAL_BYTES) throw new RangeError("too large");
    const data = signalData.parse(JSON.parse(fromUtf8(payload)));
    if (data.type === "candidate") {
      if (++this.#candidates > MAX_CANDIDATES) throw new RangeError("too many candidates");
      return data as SimplePeer.SignalData;
    }
    const awaited = this.#initiator ? "answer" : "offer";
    if (data.type !== awaited || this.#described) throw new TypeError(`unexpected ${data.type}`);
    this.#described = true;
    return data;
  }

  #sendSignal(data: SimplePeer.SignalData): void {
    if (this.#state === "over") return;
    const payload = utf8(JSON.stringify(data));
    if (payload.length > MAX_SIGNAL_BYTES - SIGNAL_ENVELOPE_BYTES) this.#end("signal too large");
    else this.#events.signal(payload);
  }

  #opened(): void {
    if (this.#state !== "connecting") return;
    this.#state = "open";
    this.#events.open();
    const early = this.#early;
    this.#early = [];
    for (const message of early) this.#deliver(message);
  }

  #received(data: unknown): void {
    if (this.#state === "over") return;
    if (!(data instanceof Uint8Array) || data.length > MAX_DIRECT_FRAME_BYTES) {
      this.#end("malformed message");
      return;
    }
    // A Buffer is one, but some of its methods mean something else.
    const message = new Uint8Array(data.buffer, data.byteOffset, data.length);
    if (this.#state === "open") this.#deliver(message);
    else {
      this.#early.push(message);
      this.#earlyBytes += message.length;
      if (this.#earlyBytes > MAX_EARLY_BYTES) this.#end("too much before the channel was open");
    }
  }

  #deliver(message: Uint8Array): void {
    // The message before may have ended the channel.
    if (this.#state === "open") this.#events.message(message);
  }

  #end(reason: string): void {
    if (this.#state === "over") return;
    this.#peer.destroy();
    this.#finish(reason);
  }

  #finish(reason: string): void {
    this.#state = "over";
    this.#early = [];
    this.#events.closed(reason);
  }
}

const rtcIceServer = ({ urls, username, credential }: IceServer): RTCIceServer => ({
  urls: [...urls],
  ...(username !== null && { username }),
  ...(credential !== null && { credential }),
});
