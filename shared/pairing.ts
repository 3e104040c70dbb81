/**
 * The code that one device shows and a new one is told, by which the two recognise each other
 * through a relay that must not be able to put in a device of its own. It has 60 random bits: the
 * relay sees hashes of it, and has the few minutes of its life to find it.
 */
import { concat, utf8 } from "./bytes.js";
import { ID_BYTES, type Sha256 } from "./ids.js";

/** Crockford's base 32: no I, L, O or U, so that nobody mistakes one for another. */
const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
export const PAIRING_CODE_LENGTH = 12;

/** 32 divides 256, so every letter is as likely as every other. */
export const pairingCodeFrom = (random: Uint8Array): string =>
  Array.from(random.subarray(0, PAIRING_CODE_LENGTH), (byte) => ALPHABET[byte % 32]).join("");

/** As it was typed: without spaces and dashes, in upper case, look-alikes read as what they stand for. */
export const normalPairingCode = (typed: string): string =>
  typed
    .toUpperCase()
    .replace(/[\s-]/g, "")
    .replace(/[IL]/g, "1")
    .replace(/O/g, "0")
    .replace(/[^0-9A-HJKMNP-TV-Z]/g, "?");

/** Where the two meet at the relay. */
export const pairingPlace = (code: string, sha256: Sha256): Uint8Array =>
  sha256(utf8(`dovetail pairing place\0${code}`)).subarray(0, ID_BYTES);

/** Shows the device that made the code that the new device's key comes from somebody who knows it. */
export const pairingProof = (
  code: string,
  publicKey: Uint8Array,
  deviceName: string,
  sha256: Sha256,
): Uint8Array =>
  sha256(concat(utf8(`dovetail pairing proof\0${code}\0`), publicKey, utf8(deviceName)));
