/** What the store over LevelDB promises beyond what LevelDB does by itself. */
import { mkdtemp, readdir, rename, rm, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Level } from "level";
import { afterEach, expect, it, vi } from "vitest";
import { openLevel } from "../../shared/node/level-key-value.js";

const value = (byte: number) => Uint8Array.of(byte);
const put = (key: string, byte: number) => ({ type: "put" as const, key, value: value(byte) });
let folder = "";

afterEach(async () => {
  vi.restoreAllMocks();
  await rm(folder, { recursive: true });
});

it("a batch whose sync failed stays undone, even where it reached the log", async () => {
  folder = await mkdtemp(join(tmpdir(), "dovetail-level-"));
  const store = await openLevel(folder);
  await store.batch([put("old", 1)]);
  const { batch, open } = Level.prototype as unknown as {
    batch(writes: readonly object[], options: object): Promise<void>;
    open(): Promise<void>;
  };
  // The record is in the log when the sync fails, and the next opening reads it from there.
  vi.spyOn(Level.prototype, "batch").mockImplementationOnce((() =>
    Promise.reject(new Error("IO error"))) as never);
  vi.spyOn(Level.prototype, "open").mockImplementationOnce(async function (this: Level) {
    await open.call(this);
    await batch.call(this, [put("old", 2), put("new", 2)], { sync: true });
  } as never);
  await expect(store.batch([put("old", 2), put("new", 2)])).rejects.toMatchObject({
    code: "storage_failed",
  });
  expect(await store.get("old")).toEqual(value(1));

  await store.batch([put("next", 3)]);
  expect(await store.get("old")).toEqual(value(1));
  expect(await store.get("new")).toBeUndefined();
  expect(await store.get("next")).toEqual(value(3));
  await store.close();
});

async function openedWithTable(): Promise<string> {
  folder = await mkdtemp(join(tmpdir(), "dovetail-level-"));
  const store = await openLevel(folder);
  await store.batch([put("old", 1)]);
  await store.close();
  // Opening writes the old log as a table.
  await (await openLevel(folder)).close();
  const table = (await readdir(folder)).find((name) => name.endsWith(".ldb"));
  return join(folder, table ?? "no table");
}

it("a folder without its CURRENT file is not taken for a new one, and keeps its tables", async () => {
  await openedWithTable();
  const current = join(folder, "CURRENT");
  await rename(current, `${current}.away`);
  await expect(openLevel(folder)).rejects.toMatchObject({ code: "profile_corrupt" });
  await rename(`${current}.away`, current);
  const store = await openLevel(folder);
  expect(await store.get("old")).toEqual(value(1));
  await store.close();
});

it("a table that ends too early is told as damage", async () => {
  await truncate(await openedWithTable(), 60);
  const opened = openLevel(folder).then(async (store) => {
    await store.get("old").finally(() => store.close());
  });
  await expect(opened).rejects.toMatchObject({ code: "profile_corrupt" });
});

async function allOf<T>(rows: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const row of rows) all.push(row);
  return all;
}

it("a snapshot is the store of one moment, also for whoever reads it after that", async () => {
  folder = await mkdtemp(join(tmpdir(), "dovetail-level-"));
  const store = await openLevel(folder);
  await store.batch([put("a", 1), put("b", 1), put("c", 1)]);
  const snapshot = await store.snapshot();
  await store.batch([put("a", 2), { type: "del", key: "b" }, put("d", 2)]);

  const all = await allOf(snapshot.rows());
  expect(all).toEqual(["a", "b", "c"].map((key) => ({ key, value: value(1) })));
  const rest = await allOf(snapshot.rows("a"));
  expect(rest.map(({ key }) => key)).toEqual(["b", "c"]);
  await snapshot.close();
  await store.close();
});

it("a snapshot whose database is closed under the reader is not taken for a short one", async () => {
  folder = await mkdtemp(join(tmpdir(), "dovetail-level-"));
  const store = await openLevel(folder);
  await store.batch([put("a", 1), put("b", 1)]);
  const snapshot = await store.snapshot();
  const rows = snapshot.rows()[Symbol.asyncIterator]();
  await rows.next();
  await store.close();
  await expect(rows.next()).rejects.toMatchObject({ code: "closed" });
});
