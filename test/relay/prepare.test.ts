/** From one store to folders, with starts that were ended in the midst of it. */
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { KvRelayStore } from "../../relay/store/kv-relay-store.js";
import { keys } from "../../relay/store/rows.js";
import { directoryPath, folderPath, shardsIn } from "../../relay/workers/folders.js";
import { prepareFolders } from "../../relay/workers/prepare.js";
import type { KeyValue } from "../../shared/key-value.js";
import { openLevel } from "../../shared/node/level-key-value.js";
import type { Log } from "../../shared/runtime.js";

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };
const NAME = "relay-of-the-test";

let folder: string;
let data: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "dovetail-prepare-"));
  data = join(folder, "data");
});
afterEach(() => rm(folder, { recursive: true }));

const prepare = () => prepareFolders(data, silent);

async function within<T>(path: string, use: (kv: KeyValue) => Promise<T>): Promise<T> {
  const kv = await openLevel(path);
  try {
    return await use(kv);
  } finally {
    await kv.close();
  }
}

const keysIn = (path: string) =>
  within(path, async (kv) => (await kv.range({ from: "", to: "~" })).map(({ key }) => key));

const SEEN = "0123456789abcdef0123456789abcdef";

/** A store in one place, with a row of its own. */
async function oneStore(): Promise<void> {
  await within(data, async (kv) => {
    await KvRelayStore.open(kv, NAME);
    await kv.batch([{ type: "put", key: `seen/${SEEN}`, value: new Uint8Array([1]) }]);
  });
}

async function expectCarriedOver(): Promise<void> {
  expect(await keysIn(directoryPath(shardsIn(data)))).toContain(`seen/${SEEN}`);
  const left = (await readdir(data)).sort();
  expect(left).toEqual(["before-workers", "shards"]);
  expect(await readdir(join(data, "before-workers"))).toContain("CURRENT");
}

it("does anew what an earlier start has left half done, and nothing of that stays", async () => {
  await oneStore();
  const half = `${shardsIn(data)}.new`;
  const stray = keys.handle("stray");
  for (const path of [directoryPath(half), folderPath(half, 3)]) {
    await mkdir(path, { recursive: true });
    await within(path, (kv) => kv.batch([{ type: "put", key: stray, value: new Uint8Array(1) }]));
  }
  expect(await prepare()).toBe(NAME);
  await expectCarriedOver();
  expect(await keysIn(directoryPath(shardsIn(data)))).not.toContain(stray);
  expect(await keysIn(folderPath(shardsIn(data), 3))).not.toContain(stray);
});

it("goes on where the folders were there and the old store was only partly put aside", async () => {
  await oneStore();
  await prepare();
  await within(directoryPath(shardsIn(data)), (kv) =>
    kv.batch([{ type: "put", key: keys.handle("later"), value: new Uint8Array(16) }]),
  );
  for (const name of ["CURRENT", "LOCK"]) {
    await rename(join(data, "before-workers", name), join(data, name));
  }
  expect(await prepare()).toBe(NAME);
  await expectCarriedOver();
  expect(await keysIn(directoryPath(shardsIn(data)))).toContain(keys.handle("later"));
});

it("touches nothing while another has the store, which may be carrying it over as well", async () => {
  await oneStore();
  const other = await openLevel(data);
  const theirs = `${shardsIn(data)}.new`;
  await mkdir(theirs);
  await writeFile(join(theirs, "theirs"), "");
  const preparing = prepare();
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(await readdir(theirs)).toEqual(["theirs"]);
  await other.close();
  expect(await preparing).toBe(NAME);
  await expectCarriedOver();
});

it("gives a name to a relay whose first start ended before it had one", async () => {
  await within(data, async () => {});
  expect(await prepare()).toMatch(/^relay-.{36}$/);
});

it("does not go on with an empty folder in the place of one that is missing", async () => {
  await oneStore();
  await prepare();
  await rm(folderPath(shardsIn(data), 3), { recursive: true });
  await expect(prepare()).rejects.toMatchObject({
    code: "profile_corrupt",
    message: expect.stringContaining("lacks 03"),
  });
  expect(await readdir(shardsIn(data))).not.toContain("03");
});
