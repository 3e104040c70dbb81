/** The real world for the pure cores, on Node. */
import { createHash, createPublicKey, verify as nodeVerify, randomBytes } from "node:crypto";
import { PUBLIC_KEY_BYTES } from "../protocol.js";
import type { Clock, Crypto, Random, Timer } from "../runtime.js";

/** Node fires a longer timer at once. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

function after(delayMs: number, callback: () => void): Timer {
  let handle: NodeJS.Timeout;
  const wait = (leftMs: number): void => {
    const stepMs = Math.min(leftMs, MAX_TIMEOUT_MS);
    handle = setTimeout(() => (leftMs > stepMs ? wait(leftMs - stepMs) : callback()), stepMs);
    handle.unref();
  };
  wait(Math.max(0, delayMs));
  return { cancel: () => clearTimeout(handle) };
}

export const nodeClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after,
};

export const nodeRandom: Random = {
  bytes: (count) => new Uint8Array(randomBytes(count)),
  fraction: () => Math.random(),
};

/** SubjectPublicKeyInfo of an Ed25519 key up to its 32 bytes (RFC 8410 §4). */
const SPKI_PREFIX = Buffer.from("302a300506032b6570032100", "hex");

export const nodeCrypto: Crypto = {
  sha256: (input) => new Uint8Array(createHash("sha256").update(input).digest()),
  verify(publicKey, message, signature) {
    if (publicKey.length !== PUBLIC_KEY_BYTES) return false;
    try {
      const der = Buffer.concat([SPKI_PREFIX, publicKey]);
      const key = createPublicKey({ key: der, format: "der", type: "spki" });
      return nodeVerify(null, message, key, signature);
    } catch {
      // OpenSSL refuses some keys by throwing; for the caller it is one more bad signature.
      return false;
    }
  },
};
