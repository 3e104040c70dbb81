/**
 * What two devices say to each other through the relay to open a direct channel. Every signal is
 * signed by the device key and a device id is the hash of its key, so the keys that DTLS is set up
 * with (in the SDP, RFC 8842) are the devices' own: the relay can refuse to carry a signal but
 * cannot put itself in the middle.
 */
import { concat, fromHex, utf8 } from "../../shared/bytes.js";
import {
  bytes,
  decode,
  encode,
  fixed,
  type Infer,
  oneOf,
  struct,
  uint,
} from "../../shared/codec.js";
import { DovetailError } from "../../shared/errors.js";
import { type DeviceId, deviceIdOf } from "../../shared/ids.js";
import { MAX_SIGNAL_BYTES } from "../../shared/limits.js";
import { PUBLIC_KEY_BYTES, SIGNATURE_BYTES } from "../../shared/protocol.js";
import type { Crypto } from "../../shared/runtime.js";
import type { DeviceKey } from "./ports.js";

export const SESSION_BYTES = 16;

const body = struct({
  /** Names one attempt to connect. */
  session: fixed(SESSION_BYTES),
  /** `refuse`: the other side does not want a channel now. */
  kind: oneOf("offer", "answer", "refuse"),
  /** Counts a side's signals of the session, from 0. */
  index: uint(0xffff),
  data: bytes(MAX_SIGNAL_BYTES - 512),
});
/** `kind` tells whose: those of the side that began are offers, those of the other answers. */
export type Signal = Infer<typeof body>;

const signed = struct({
  publicKey: fixed(PUBLIC_KEY_BYTES),
  signature: fixed(SIGNATURE_BYTES),
  body: bytes(MAX_SIGNAL_BYTES - 256),
});

const signedBytes = (to: DeviceId, raw: Uint8Array): Uint8Array =>
  concat(utf8("dovetail signal v1\0"), fromHex(to), raw);

export function sealSignal(key: DeviceKey, to: DeviceId, signal: Signal): Uint8Array {
  const raw = encode(body, signal);
  const signature = key.sign(signedBytes(to, raw));
  return encode(signed, { publicKey: key.publicKey, signature, body: raw });
}

/** @throws DovetailError `malformed_frame`, `bad_signature`. */
export function openSignal(
  crypto: Crypto,
  from: DeviceId,
  to: DeviceId,
  payload: Uint8Array,
): { signal: Signal; publicKey: Uint8Array } {
  const { publicKey, signature, body: raw } = decode(signed, payload);
  const genuine =
    deviceIdOf(publicKey, crypto.sha256) === from &&
    crypto.verify(publicKey, signedBytes(to, raw), signature);
  if (!genuine) throw new DovetailError("bad_signature");
  return { signal: decode(body, raw), publicKey };
}
