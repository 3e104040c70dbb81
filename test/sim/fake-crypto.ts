/** Signatures that a wrong key, message or signature fails, at a hundredth of Ed25519's cost. */
import { hash as digest } from "node:crypto";
import type { DeviceKey, DeviceKeys } from "../../electron/client/index.js";
import { concat, sameBytes } from "../../shared/bytes.js";
import { PUBLIC_KEY_BYTES } from "../../shared/protocol.js";
import type { Crypto, Random } from "../../shared/runtime.js";

const hash = (algorithm: "sha256" | "sha512", bytes: Uint8Array): Uint8Array =>
  digest(algorithm, bytes, "buffer");

/** Anybody could forge these: nobody in the simulated world does. */
const signatureOf = (publicKey: Uint8Array, message: Uint8Array): Uint8Array =>
  hash("sha512", concat(publicKey, message));

export const fakeCrypto: Crypto = {
  sha256: (input) => hash("sha256", input),
  verify: (publicKey, message, signature) =>
    publicKey.length === PUBLIC_KEY_BYTES && sameBytes(signature, signatureOf(publicKey, message)),
};

/** A device's key store, which outlives its processes. */
export class FakeKeys implements DeviceKeys {
  readonly #random: Random;
  #key: DeviceKey | null = null;

  constructor(random: Random) {
    this.#random = random;
  }

  async load(): Promise<DeviceKey | null> {
    return this.#key;
  }

  async create(): Promise<DeviceKey> {
    const publicKey = this.#random.bytes(PUBLIC_KEY_BYTES);
    this.#key = { publicKey, sign: (message) => signatureOf(publicKey, message) };
    return this.#key;
  }
}
