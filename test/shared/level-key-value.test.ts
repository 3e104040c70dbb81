/** What the store over LevelDB promises beyond what LevelDB does by itself. */
import { mkdtemp, rm } from "node:fs/promises";
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
