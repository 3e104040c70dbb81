import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
} from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { concat, sameBytes } from "../../shared/bytes.js";
import { DovetailError } from "../../shared/errors.js";
import { PUBLIC_KEY_BYTES } from "../../shared/protocol.js";
import type { DeviceKey, DeviceKeys } from "../client/ports.js";
import { writeWhole } from "./files.js";

/** How a stored key is kept; the file says which, because one profile may be opened by two hosts. */
const kinds = { "file-mode": 0, "key-store": 1 } as const;

/** What keeps a secret at rest: the system's key store, or nothing but the file's mode. */
export interface Protector {
  readonly kind: keyof typeof kinds;
  protect(secret: Uint8Array): Promise<Uint8Array>;
  /** @throws when the secret was protected elsewhere or is damaged. */
  unprotect(stored: Uint8Array): Promise<Uint8Array>;
}

/** For hosts without a key store: the file is readable for its owner alone. */
export const fileModeProtector: Protector = {
  kind: "file-mode",
  protect: async (secret) => secret,
  unprotect: async (stored) => stored,
};

const FORMAT = 1;
/** Format and kind. */
const HEADER_BYTES = 2;

/** The device key of a profile folder, in `device.key`. */
export function deviceKeys(folder: string, protector: Protector): DeviceKeys {
  const path = join(folder, "device.key");

  async function store(key: KeyObject): Promise<void> {
    const sealed = await protector.protect(packKey(key));
    await writeWhole(path, concat(Uint8Array.of(FORMAT, kinds[protector.kind]), sealed));
  }

  return {
    async load() {
      const stored = await readFile(path).catch((error: NodeJS.ErrnoException) => {
        if (error.code === "ENOENT") return null;
        throw new DovetailError("profile_corrupt", `${path} cannot be read.`, { cause: error });
      });
      if (!stored) return null;
      const [format = 0, kind] = stored;
      if (format > FORMAT)
        throw new DovetailError("profile_newer", `${path} is of a newer version.`);
      const by = kind === kinds["file-mode"] ? fileModeProtector : protector;
      if (kind !== kinds[by.kind] && kind === kinds["key-store"]) {
        throw new DovetailError(
          "profile_corrupt",
          `${path} is sealed by the system's key store, which is not to be had here: use the desktop app, with the key store running.`,
        );
      }
      let key: KeyObject;
      try {
        if (format !== FORMAT || kind !== kinds[by.kind]) throw new RangeError("unknown format");
        key = unpackKey(await by.unprotect(new Uint8Array(stored.subarray(HEADER_BYTES))));
      } catch (cause) {
        throw new DovetailError("profile_corrupt", `${path} is damaged or from elsewhere.`, {
          cause,
        });
      }
      // A host with a key store takes over what one without it has made.
      if (by !== protector) await store(key);
      return deviceKey(key);
    },
    async create() {
      const { privateKey } = generateKeyPairSync("ed25519");
      await store(privateKey);
      return deviceKey(privateKey);
    },
  };
}

/** PKCS #8 and, behind it, the public key: any bit that flips makes the two differ. */
const packKey = (key: KeyObject): Uint8Array =>
  concat(new Uint8Array(key.export({ format: "der", type: "pkcs8" })), rawPublicKey(key));

function unpackKey(bytes: Uint8Array): KeyObject {
  const der = Buffer.from(bytes.subarray(0, -PUBLIC_KEY_BYTES));
  const key = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  if (key.asymmetricKeyType !== "ed25519") throw new TypeError("not an Ed25519 key");
  if (!sameBytes(rawPublicKey(key), bytes.subarray(-PUBLIC_KEY_BYTES))) {
    throw new RangeError("the two halves do not belong together");
  }
  return key;
}

/** The end of an Ed25519 SubjectPublicKeyInfo (RFC 8410 §4) is the key itself. */
const rawPublicKey = (privateKey: KeyObject): Uint8Array =>
  new Uint8Array(
    createPublicKey(privateKey).export({ format: "der", type: "spki" }).subarray(-PUBLIC_KEY_BYTES),
  );

const deviceKey = (privateKey: KeyObject): DeviceKey => ({
  publicKey: rawPublicKey(privateKey),
  sign: (message) => new Uint8Array(sign(null, message, privateKey)),
});
