import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { KvRelayStore } from "../../relay/store/kv-relay-store.js";
import type { KeyValue } from "../../shared/key-value.js";
import { openLevel } from "../../shared/node/level-key-value.js";
import { relayStoreContract } from "../contracts/relay-store.js";

const folders: string[] = [];
let kv: KeyValue;

async function openIn(folder: string): Promise<KvRelayStore> {
  kv = await openLevel(folder);
  return KvRelayStore.open(kv, "relay-test");
}

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "dovetail-store-"));
  folders.push(folder);
  return folder;
}

afterEach(async () => {
  await kv.close();
  await Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true })));
});

relayStoreContract("LevelDB", async () => {
  const folder = await newFolder();
  return {
    store: await openIn(folder),
    async reopen() {
      await kv.close();
      return openIn(folder);
    },
  };
});

it("keeps the relay's name from its first start", async () => {
  const folder = await newFolder();
  expect((await openIn(folder)).name).toBe("relay-test");
  await kv.close();
  kv = await openLevel(folder);
  expect((await KvRelayStore.open(kv, "another")).name).toBe("relay-test");
});

it("refuses data of a newer relay and leaves them as they are", async () => {
  kv = await openLevel(await newFolder());
  const newer = { type: "put", key: "meta/schema", value: Uint8Array.of(1, 9) } as const;
  await kv.batch([newer]);
  await expect(KvRelayStore.open(kv, "relay")).rejects.toMatchObject({ code: "profile_newer" });
  expect(await kv.range({ from: "", to: "~" })).toHaveLength(1);
});

it("says which row is damaged or newer instead of believing it", async () => {
  const store = await openIn(await newFolder());
  const user = "a".repeat(32);
  const stored = (value: Uint8Array) => kv.batch([{ type: "put", key: `user/${user}`, value }]);
  await stored(Uint8Array.of(1, 5));
  const read = () => store.directory.user(user as never);
  await expect(read()).rejects.toMatchObject({ code: "profile_corrupt" });
  await stored(Uint8Array.of(2, 5));
  await expect(read()).rejects.toMatchObject({ code: "profile_newer" });
});

it("says that another process has the data", async () => {
  const folder = await newFolder();
  kv = await openLevel(folder);
  await expect(openLevel(folder)).rejects.toMatchObject({ code: "profile_in_use" });
});
