import type { KeyValue } from "../../shared/key-value.js";
import type { IceServer } from "../../shared/protocol.js";
import type { Clock, Crypto, Log, Random } from "../../shared/runtime.js";

/** A connection to a relay, from dialling to closing. */
export interface RelayWire {
  /** Queues one frame. After closing it does nothing. */
  send(frame: Uint8Array): void;
  /** Ends the connection at once; `closed` follows if it was not reported yet. */
  close(): void;
}

export interface RelayWireEvents {
  open(): void;
  frame(frame: Uint8Array): void;
  /**
   * Exactly once, also when dialling failed; nothing comes after it. `retryAfterMs`: not to be dialled
   * before, as who was dialled says.
   */
  closed(code: number, reason: string, retryAfterMs?: number): void;
}

export interface RelayDialer {
  /** Reports no event before it has returned. */
  dial(url: string, events: RelayWireEvents): RelayWire;
}

/** A WebRTC data channel to one device, reliable and ordered. */
export interface DirectChannel {
  /** What the other side's `signal` event gave. Malformed input closes the channel. */
  signal(payload: Uint8Array): void;
  /** Queues one message of at most `MAX_DIRECT_FRAME_BYTES`. After closing it does nothing. */
  send(message: Uint8Array): void;
  /** Ends the channel at once; `closed` follows if it was not reported yet. */
  close(): void;
}

export interface DirectChannelEvents {
  /** To be carried to the other side, in order. At most `MAX_SIGNAL_BYTES` less 512. */
  signal(payload: Uint8Array): void;
  open(): void;
  message(message: Uint8Array): void;
  /** Exactly once, also when connecting failed; nothing comes after it. */
  closed(reason: string): void;
}

export interface DirectTransport {
  /** Whether this host can hold direct channels at all. */
  readonly available: boolean;
  /** Reports no event before it has returned. */
  open(
    options: { readonly initiator: boolean; readonly iceServers: readonly IceServer[] },
    events: DirectChannelEvents,
  ): DirectChannel;
}

/** Bytes of one message on a direct channel: simple-peer destroys a peer over 262,144. */
export const MAX_DIRECT_FRAME_BYTES = 131_072;

/** The device's Ed25519 key. The private half never leaves the adapter. */
export interface DeviceKey {
  readonly publicKey: Uint8Array;
  sign(message: Uint8Array): Uint8Array;
}

export interface DeviceKeys {
  /** Null when this profile has none yet. @throws DovetailError `profile_corrupt`. */
  load(): Promise<DeviceKey | null>;
  /** Makes a key and keeps it durably before it returns. */
  create(): Promise<DeviceKey>;
}

export interface ClientPorts {
  readonly store: KeyValue;
  readonly relay: RelayDialer;
  readonly direct: DirectTransport;
  readonly keys: DeviceKeys;
  readonly clock: Clock;
  readonly random: Random;
  readonly crypto: Crypto;
  readonly log: Log;
}

export interface ClientOptions {
  /** ws: or wss: URL. */
  readonly relayUrl: string;
  /** Shown to the user in the list of devices. */
  readonly deviceName: string;
}
