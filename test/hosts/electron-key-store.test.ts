import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { deviceKeys, fileModeProtector } from "../../electron/node/device-keys.js";
import { temporaryFolder } from "./helpers.js";

/** Seals text so that it can be told from what was put in. */
const safeStorage = vi.hoisted(() => ({
  available: true,
  backend: "gnome_libsecret",
  isAsyncEncryptionAvailable: async () => safeStorage.available,
  getSelectedStorageBackend: () => safeStorage.backend,
  encryptStringAsync: async (text: string) => Buffer.from(`sealed:${text}`),
  decryptStringAsync: async (sealed: Buffer) => {
    const text = String(sealed);
    if (!text.startsWith("sealed:")) throw new Error("not sealed here");
    return { shouldReEncrypt: false, result: text.slice("sealed:".length) };
  },
}));
vi.mock("electron", () => ({ safeStorage }));

const { systemProtector } = await import("../../electron/host/safe-storage.js");

const platform = process.platform;
const onPlatform = (name: NodeJS.Platform) =>
  Object.defineProperty(process, "platform", { value: name });
afterEach(() => {
  onPlatform(platform);
  safeStorage.available = true;
  safeStorage.backend = "gnome_libsecret";
});

test("the device key lies sealed in the profile and comes back", async () => {
  const folder = await temporaryFolder();
  const { protector } = await systemProtector();
  const made = await deviceKeys(folder, protector).create();
  expect(String(await readFile(join(folder, "device.key")))).toContain("sealed:");
  expect((await deviceKeys(folder, protector).load())?.publicKey).toEqual(made.publicKey);
});

test("a key that this system's store did not seal is refused with a code", async () => {
  const folder = await temporaryFolder();
  const { protector } = await systemProtector();
  const elsewhere = { ...protector, protect: async (secret: Uint8Array) => secret };
  await deviceKeys(folder, elsewhere).create();
  await expect(deviceKeys(folder, protector).load()).rejects.toMatchObject({
    code: "profile_corrupt",
  });
});

test("without a key store the file's mode has to do, and that is said", async () => {
  safeStorage.available = false;
  expect(await systemProtector()).toEqual({ protector: fileModeProtector, unprotected: true });
});

test("a key sealed while there was a key store is not taken for damaged when there is none", async () => {
  const folder = await temporaryFolder();
  await deviceKeys(folder, (await systemProtector()).protector).create();
  onPlatform("linux");
  safeStorage.backend = "basic_text";
  const { protector } = await systemProtector();
  await expect(deviceKeys(folder, protector).load()).rejects.toThrow("with the key store running");
});

test.each<[NodeJS.Platform, string, boolean]>([
  ["linux", "gnome_libsecret", false],
  ["linux", "kwallet6", false],
  ["linux", "basic_text", true],
  ["darwin", "unknown", false],
  ["win32", "unknown", false],
])("on %s with %s it says unprotected: %s", async (name, backend, unprotected) => {
  onPlatform(name);
  safeStorage.backend = backend;
  expect(await systemProtector()).toMatchObject({
    unprotected,
    protector: { kind: unprotected ? "file-mode" : "key-store" },
  });
});
