import { Writable } from "node:stream";
import { expect, test } from "vitest";
import { LineOutput } from "../../electron/headless/output.js";

/** A reader that takes the next chunk when the test says so. */
class Reader extends Writable {
  readonly taken: string[] = [];
  #next: (() => void) | null = null;
  constructor() {
    super({ highWaterMark: 10 });
  }
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#next = () => {
      this.taken.push(String(chunk));
      done();
    };
  }
  take(): void {
    const next = this.#next;
    this.#next = null;
    next?.();
  }
}

const settled = async (promise: Promise<unknown>): Promise<boolean> =>
  await Promise.race([
    promise.then(() => true),
    new Promise<boolean>((done) => setImmediate(done, false)),
  ]);

test("requests wait until a slow reader has caught up, and no longer", async () => {
  const reader = new Reader();
  const output = new LineOutput(reader);
  expect(await settled(output.caughtUp())).toBe(true);
  output.write("a line that is longer than ten");
  const caughtUp = output.caughtUp();
  expect(await settled(caughtUp)).toBe(false);
  reader.take();
  expect(await settled(caughtUp)).toBe(true);
  expect(reader.taken).toEqual(["a line that is longer than ten\n"]);
});

test("a reader that has stopped reading is given up at the bound, not buffered for", async () => {
  const output = new LineOutput(new Reader(), 100);
  for (let i = 0; i < 20; i++) output.write("0123456789");
  expect(await output.lost).toMatch(/nobody reads/);
  expect(await settled(output.caughtUp())).toBe(true);
  expect(await settled(output.flushed())).toBe(true);
});

test("a reader that has gone away ends the waiting", async () => {
  const reader = new Reader();
  const output = new LineOutput(reader);
  output.write("a line that is longer than ten");
  const caughtUp = output.caughtUp();
  reader.destroy(new Error("EPIPE"));
  expect(await output.lost).toBe("EPIPE");
  await caughtUp;
});
