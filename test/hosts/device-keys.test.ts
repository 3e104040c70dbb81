import { chmod, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { deviceKeys, fileModeProtector, type Protector } from "../../electron/node/device-keys.js";
import { utf8 } from "../../shared/bytes.js";
import { nodeCrypto } from "../../shared/node/runtime.js";
import { temporaryFolder } from "./helpers.js";

const MASK = 0x5a;
const masked = (bytes: Uint8Array) => bytes.map((byte) => byte ^ MASK);
/** Stands for a system's key store: what it gives back is not what was handed to it. */
const keyStore: Protector = {
  kind: "key-store",
  protect: async (secret) => masked(secret),
  unprotect: async (stored) => masked(stored),
};

test("a profile without a key has none; a created one is the same after a restart", async () => {
  const folder = await temporaryFolder();
  expect(await deviceKeys(folder, fileModeProtector).load()).toBeNull();
  const made = await deviceKeys(folder, fileModeProtector).create();
  const found = await deviceKeys(folder, fileModeProtector).load();
  expect(found?.publicKey).toEqual(made.publicKey);
  const signature = found?.sign(utf8("hello")) as Uint8Array;
  expect(nodeCrypto.verify(made.publicKey, utf8("hello"), signature)).toBe(true);
  expect(nodeCrypto.verify(made.publicKey, utf8("hullo"), signature)).toBe(false);
});

test("the file is the owner's alone, and nothing half-written stays beside it", async () => {
  const folder = await temporaryFolder();
  await deviceKeys(folder, fileModeProtector).create();
  expect((await stat(join(folder, "device.key"))).mode & 0o777).toBe(0o600);
  expect(await readdir(folder)).toEqual(["device.key"]);
});

test("a half-written file of a crash is neither read nor in the way", async () => {
  const folder = await temporaryFolder();
  await writeFile(join(folder, "device.key.new"), "torn");
  const keys = deviceKeys(folder, fileModeProtector);
  expect(await keys.load()).toBeNull();
  const { publicKey } = await keys.create();
  expect((await keys.load())?.publicKey).toEqual(publicKey);
});

test("whichever byte of the file is damaged, it never is another key", async () => {
  const folder = await temporaryFolder();
  const path = join(folder, "device.key");
  const { publicKey } = await deviceKeys(folder, fileModeProtector).create();
  const whole = await readFile(path);
  let refused = 0;
  for (let i = 0; i < whole.length; i++) {
    const damaged = Buffer.from(whole);
    damaged[i] = (damaged[i] as number) ^ 1;
    await writeFile(path, damaged);
    try {
      // A byte of the DER around the key may be one that the parser passes over.
      expect((await deviceKeys(folder, fileModeProtector).load())?.publicKey).toEqual(publicKey);
    } catch (error) {
      expect(error).toMatchObject({
        code: "profile_corrupt",
        message: expect.stringContaining(path),
      });
      refused++;
    }
  }
  expect(refused).toBeGreaterThanOrEqual(2 * publicKey.length);
});

test.each([0, 1, 2, 40])("a file cut to %i bytes is refused", async (length) => {
  const folder = await temporaryFolder();
  const path = join(folder, "device.key");
  await deviceKeys(folder, fileModeProtector).create();
  await writeFile(path, (await readFile(path)).subarray(0, length));
  const loading = deviceKeys(folder, fileModeProtector).load();
  await expect(loading).rejects.toMatchObject({ code: "profile_corrupt" });
});

test("a key of a newer Dovetail is left alone", async () => {
  const folder = await temporaryFolder();
  const path = join(folder, "device.key");
  await writeFile(path, Uint8Array.of(200, 0, 1, 2, 3));
  const loading = deviceKeys(folder, fileModeProtector).load();
  await expect(loading).rejects.toMatchObject({ code: "profile_newer" });
  expect(await readFile(path)).toEqual(Buffer.of(200, 0, 1, 2, 3));
});

test("a host with a key store takes over what one without it has made, once", async () => {
  const folder = await temporaryFolder();
  const path = join(folder, "device.key");
  const { publicKey } = await deviceKeys(folder, fileModeProtector).create();
  const plain = await readFile(path);
  expect((await deviceKeys(folder, keyStore).load())?.publicKey).toEqual(publicKey);
  const protectedFile = await readFile(path);
  expect(protectedFile.includes(plain.subarray(2))).toBe(false);
  expect((await deviceKeys(folder, keyStore).load())?.publicKey).toEqual(publicKey);
  expect(await readFile(path)).toEqual(protectedFile);
});

test("a host without a key store says where a key can be opened that is in one", async () => {
  const folder = await temporaryFolder();
  await deviceKeys(folder, keyStore).create();
  await expect(deviceKeys(folder, fileModeProtector).load()).rejects.toMatchObject({
    code: "profile_corrupt",
    message: expect.stringContaining("desktop app"),
  });
});

test("a file that may not be read is named", async ({ skip }) => {
  skip(process.getuid?.() === 0, "root may read every file");
  const folder = await temporaryFolder();
  const path = join(folder, "device.key");
  await deviceKeys(folder, fileModeProtector).create();
  await chmod(path, 0);
  await expect(deviceKeys(folder, fileModeProtector).load()).rejects.toMatchObject({
    code: "profile_corrupt",
    message: expect.stringContaining(path),
  });
});
