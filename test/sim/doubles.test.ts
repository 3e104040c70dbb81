/** The simulated world keeps its own promises. */
import { describe, expect, it } from "vitest";
import type { KeyValue, Write } from "../../shared/key-value.js";
import { MemoryDisk } from "./memory-key-value.js";
import { VirtualTime } from "./virtual-time.js";

const put = (key: string): Write => ({ type: "put", key, value: Uint8Array.of(1) });
const keysOf = async (store: KeyValue): Promise<string> =>
  (await store.range({ from: "", to: "~" })).map(({ key }) => key).join("");

describe("a disk that loses power", () => {
  it("keeps what was durable and whole batches of the rest, from the first on", async () => {
    for (const [kept, found] of [
      [0, "ab"],
      [1, "abcd"],
      [2, "abcde"],
    ] as const) {
      const disk = new MemoryDisk();
      const store = disk.open();
      await store.batch([put("a")], false);
      await store.batch([put("b")]);
      await store.batch([put("c"), put("d")], false);
      await store.batch([put("e")], false);
      expect(await keysOf(store)).toBe("abcde");
      disk.crash(() => kept);
      expect(await keysOf(disk.open())).toBe(found);
    }
  });

  it("undoes what failed at its very end, and a crash before that may keep it", async () => {
    for (const [kept, found] of [
      [0, "a"],
      [1, "ab"],
    ] as const) {
      const disk = new MemoryDisk();
      const store = disk.open();
      await store.batch([put("a")]);
      disk.unsure = true;
      await expect(store.batch([put("b")])).rejects.toMatchObject({ code: "storage_failed" });
      expect(await keysOf(store)).toBe("a");
      disk.crash(() => kept);
      disk.unsure = false;
      const again = disk.open();
      expect(await keysOf(again)).toBe(found);
      await again.batch([put("c")]);
      disk.crash();
      expect(await keysOf(disk.open())).toBe(`${found}c`);
    }
  });

  it("reads ranges in order, both ways, with a limit", async () => {
    const store = new MemoryDisk().open();
    await store.batch(["d", "a", "c", "b"].map(put));
    await store.batch([{ type: "del", key: "c" }, put("bb")]);
    expect(await keysOf(store)).toBe("abbbd");
    const last = await store.range({ from: "a", to: "d", reverse: true, limit: 2 });
    expect(last.map(({ key }) => key)).toEqual(["bb", "b"]);
    expect(await store.range({ from: "d", to: "a" })).toEqual([]);
  });

  it("a full one takes nothing and says so; one process has it at a time", async () => {
    const disk = new MemoryDisk();
    const store = disk.open();
    disk.full = true;
    await expect(store.batch([put("a")])).rejects.toMatchObject({ code: "disk_full" });
    expect(await keysOf(store)).toBe("");
    expect(() => disk.open()).toThrow();
    await store.close();
    disk.open();
  });
});

it("virtual time runs events in their order, and what they promise before the next", async () => {
  const time = new VirtualTime();
  const seen: string[] = [];
  for (const delay of [5, 1, 3, 1, 4]) {
    time.after(delay, async () => {
      seen.push(`${delay}`);
      for (let i = 0; i < 50; i++) await null;
      seen.push("-");
    });
  }
  time.after(2, () => seen.push("never")).cancel();
  await time.runUntil(4);
  expect(seen.join("")).toBe("1-1-3-4-");
  expect(time.now).toBe(4);
});
