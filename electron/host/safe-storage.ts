/** The device key under the system's key store, where it has one. */
import { safeStorage } from "electron";
import { fileModeProtector, type Protector } from "../node/device-keys.js";

const keyStore: Protector = {
  kind: "key-store",
  protect: async (secret) => {
    // The store takes text.
    const text = Buffer.from(secret).toString("base64");
    return new Uint8Array(await safeStorage.encryptStringAsync(text));
  },
  unprotect: async (stored) => {
    const { result } = await safeStorage.decryptStringAsync(Buffer.from(stored));
    return new Uint8Array(Buffer.from(result, "base64"));
  },
};

export interface SystemProtector {
  readonly protector: Protector;
  /** Whether another program of this person can read the key. */
  readonly unprotected: boolean;
}

/** Has to be asked after `app` is ready. */
export async function systemProtector(): Promise<SystemProtector> {
  const found =
    (await safeStorage.isAsyncEncryptionAvailable()) &&
    // Its password is in Chromium's source. Sealing with it would protect from nobody and keep the
    // other hosts out of the profile.
    !(process.platform === "linux" && safeStorage.getSelectedStorageBackend() === "basic_text");
  return { protector: found ? keyStore : fileModeProtector, unprotected: !found };
}
