import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { Client } from "../../electron/client/index.js";
import { fileModeProtector } from "../../electron/node/device-keys.js";
import { openProfileClient } from "../../electron/node/profile.js";
import { silentLog, temporaryFolder } from "./helpers.js";

async function open(profile: string): Promise<Client> {
  const client = await openProfileClient({
    profile,
    // Nothing listens there, and without an account nothing is dialled.
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

test("a new profile is the person's alone and says what it is", async () => {
  const profile = join(await temporaryFolder(), "deep", "profile");
  await open(profile);
  expect((await stat(profile)).mode & 0o777).toBe(0o700);
  const description = JSON.parse(await readFile(join(profile, "profile.json"), "utf8"));
  expect(description).toEqual({ format: 1, created: expect.any(String) });
});

test("what was set is there after a restart", async () => {
  const profile = await temporaryFolder();
  const first = await open(profile);
  await first.call("settings.set", { theme: "dark" });
  await first.close();
  const second = await open(profile);
  expect(await second.call("settings.get", {})).toMatchObject({ theme: "dark" });
});

test("a profile that is open elsewhere is refused, and goes on working there", async () => {
  const profile = await temporaryFolder();
  const first = await open(profile);
  await expect(open(profile)).rejects.toMatchObject({ code: "profile_in_use" });
  await first.call("settings.set", { theme: "light" });
});

test("a profile of a newer Dovetail is refused and not touched", async () => {
  const profile = await temporaryFolder();
  const description = JSON.stringify({ format: 2, created: "2030", else: true });
  await writeFile(join(profile, "profile.json"), description);
  await expect(open(profile)).rejects.toMatchObject({ code: "profile_newer" });
  expect(await readdir(profile)).toEqual(["profile.json"]);
  expect(await readFile(join(profile, "profile.json"), "utf8")).toBe(description);
});

test.each([
  ["empty", ""],
  ["torn", '{"format":1,"cre'],
  ["something else", "[]"],
  ["without a format", '{"created":"2026"}'],
  ["of no format there can be", '{"format":"1","created":"2026"}'],
])("a profile.json that is %s is refused by its name", async (_what, content) => {
  const profile = await temporaryFolder();
  const path = join(profile, "profile.json");
  await writeFile(path, content);
  await expect(open(profile)).rejects.toMatchObject({
    code: "profile_corrupt",
    message: expect.stringContaining(path),
  });
  expect(await readFile(path, "utf8")).toBe(content);
});

test("a damaged database is refused by its name, and opens again when it is whole", async () => {
  const profile = await temporaryFolder();
  await (await open(profile)).close();
  const current = join(profile, "db", "CURRENT");
  const whole = await readFile(current);
  await writeFile(current, "MANIFEST-999999\n");
  await expect(open(profile)).rejects.toMatchObject({
    code: "profile_corrupt",
    message: expect.stringContaining(join(profile, "db")),
  });
  await writeFile(current, whole);
  await open(profile);
});

test("a damaged device key is refused, and the database stays free", async () => {
  const profile = await temporaryFolder();
  await (await open(profile)).close();
  await writeFile(join(profile, "device.key"), Uint8Array.of(1, 0, 5));
  await expect(open(profile)).rejects.toMatchObject({ code: "profile_corrupt" });
});

test("a folder that cannot be made is named", async () => {
  const file = join(await temporaryFolder(), "file");
  await writeFile(file, "");
  await expect(open(join(file, "profile"))).rejects.toMatchObject({
    code: "storage_failed",
    message: expect.stringContaining(file),
  });
});
