import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { deviceKeys, fileModeProtector } from "../../electron/node/device-keys.js";
import { openProfileClient } from "../../electron/node/profile.js";
import { beginRecovery, readRecovery } from "../../electron/node/recover.js";
import { silentLog, temporaryFolder } from "./helpers.js";

async function open(profile: string) {
  const client = await openProfileClient({
    profile,
    // Nothing listens there.
    relayUrl: "ws://127.0.0.1:9",
    deviceName: "test",
    direct: {
      available: false,
      open() {
        throw new Error("not available");
      },
    },
    protector: fileModeProtector,
    log: silentLog,
  });
  onTestFinished(() => client.close());
  return client;
}

test("a recovery that began is found again, and none where none did", async () => {
  const profile = await temporaryFolder();
  expect(await readRecovery(profile)).toBeNull();
  const former = await beginRecovery(profile, 7);
  expect(former).toBe(join(profile, "damaged-7"));
  expect(await readRecovery(profile)).toBe(former);
});

test.each(["", '{"aside":"../elsewhere"}', '{"aside":"damaged-1/../.."}', "[]"])(
  "a journal that says %j is refused by its name",
  async (content) => {
    const profile = await temporaryFolder();
    const path = join(profile, "recovery.json");
    await writeFile(path, content);
    await expect(readRecovery(profile)).rejects.toMatchObject({
      code: "profile_corrupt",
      message: expect.stringContaining(path),
    });
  },
);

test("without a relay the damaged database and its key are kept, however often it is tried", async () => {
  const profile = await temporaryFolder();
  await (await open(profile)).close();
  await deviceKeys(profile, fileModeProtector).create();
  const key = await readFile(join(profile, "device.key"));
  const current = join(profile, "db", "CURRENT");
  await writeFile(current, "MANIFEST-999999\n");
  for (let i = 0; i < 2; i++) {
    await expect(open(profile)).rejects.toMatchObject({
      code: "profile_corrupt",
      message: expect.stringContaining("Nothing was deleted"),
    });
    const former = (await readRecovery(profile)) ?? "";
    expect((await readdir(former)).sort()).toEqual(["db", "device.key"]);
    expect(await readFile(join(former, "device.key"))).toEqual(key);
    expect(await readFile(join(former, "db", "CURRENT"), "utf8")).toBe("MANIFEST-999999\n");
  }
});
