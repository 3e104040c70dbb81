import { expect, test } from "vitest";
import { Journal } from "../../electron/client/journal.js";
import type { Write } from "../../shared/key-value.js";
import { MapStore } from "./stage.js";

/** Takes its time. */
class SlowStore extends MapStore {
  go: () => void = () => undefined;

  override async batch(writes: readonly Write[]): Promise<void> {
    await new Promise<void>((done) => {
      this.go = done;
    });
    await super.batch(writes);
  }
}

const putting = (key: string) => () => ({
  writes: [{ type: "put" as const, key, value: Uint8Array.of(1) }],
  apply: () => undefined,
});

test("a journal that is closed does what was asked for before, and nothing that is asked for after", async () => {
  const store = new SlowStore();
  const journal = new Journal(store);
  const first = journal.run(putting("first"));
  const second = journal.run(putting("second"));
  await Promise.resolve();
  let closed = false;
  const closing = journal.close().then(() => {
    closed = true;
  });
  await expect(journal.run(putting("late"))).rejects.toMatchObject({ code: "closed" });
  await expect(journal.flush()).rejects.toMatchObject({ code: "closed" });
  for (const written of [first, second]) {
    await new Promise((done) => setImmediate(done));
    expect(closed).toBe(false);
    store.go();
    await written;
  }
  await closing;
  expect([...store.rows.keys()]).toEqual(["first", "second"]);
});

test("a flush that was asked for before the end is waited for", async () => {
  const store = new SlowStore();
  const journal = new Journal(store);
  const flushed = journal.flush();
  const closing = journal.close();
  await new Promise((done) => setImmediate(done));
  store.go();
  await Promise.all([flushed, closing]);
  expect(store.rows.size).toBe(1);
});
