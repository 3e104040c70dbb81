import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
} from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { DovetailError } from "../../shared/errors.js";
import type { DeviceKey, DeviceKeys } from "../client/ports.js";
import { writeWhole } from "./files.js";

/** What keeps a secret at rest: the system's key store, or nothing but the file's mode. */
export interface Protector {
  protect(secret: Uint8Array): Promise<Uint8Array>;
  /** @throws when the secret was protected elsewhere or is damaged. */
  unprotect(stored: Uint8Array): Promise<Uint8Array>;
}

/** For hosts without a key store: the file is readable for its owner alone. */
export const fileModeProtector: Protector = {
  protect: async (secret) => secret,
  unprotect: async (stored) => stored,
};

const FORMAT = 1;
/** The end of an Ed25519 SubjectPublicKeyInfo (RFC 8410 §4) is the key itself. */
const RAW_KEY_BYTES = 32;

/** The device key of a profile folder, in `device.key`. */
export function deviceKeys(folder: string, protector: Protector): DeviceKeys {
  const path = join(folder, "device.key");
  return {
    async load() {
      const stored = await readFile(path).catch((error: NodeJS.ErrnoException) => {
        if (error.code === "ENOENT") return null;
        throw new DovetailError("profile_corrupt", `${path} cannot be read.`, { cause: error });
      });
      if (!stored) return null;
      const format = stored[0] ?? 0;
      if (format > FORMAT)
        throw new DovetailError("profile_newer", `${path} is of a newer version.`);
      try {
        if (format !== FORMAT) throw new RangeError(`format ${format}`);
        const der = await protector.unprotect(new Uint8Array(stored.subarray(1)));
        const key = createPrivateKey({ key: Buffer.from(der), format: "der", type: "pkcs8" });
        if (key.asymmetricKeyType !== "ed25519") throw new TypeError("not an Ed25519 key");
        return deviceKey(key);
      } catch (cause) {
        throw new DovetailError("profile_corrupt", `${path} is damaged or from elsewhere.`, {
          cause,
        });
      }
    },
    async create() {
      const { privateKey } = generateKeyPairSync("ed25519");
      const der = privateKey.export({ format: "der", type: "pkcs8" });
      const sealed = await protector.protect(new Uint8Array(der));
      await writeWhole(path, Buffer.concat([Uint8Array.of(FORMAT), sealed]));
      return deviceKey(privateKey);
    },
  };
}

function deviceKey(privateKey: KeyObject): DeviceKey {
  const spki = createPublicKey(privateKey).export({ format: "der", type: "spki" });
  return {
    publicKey: new Uint8Array(spki.subarray(-RAW_KEY_BYTES)),
    sign: (message) => new Uint8Array(sign(null, message, privateKey)),
  };
}
