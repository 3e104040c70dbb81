import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { withLock } from "../../electron/launch/lock.mjs";
import { stampOf } from "../../electron/launch/stamp.mjs";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "dovetail-launch-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test("under one lock file, work never overlaps, and the lock is gone afterwards", async () => {
  const lock = join(folder, "lock");
  let running = 0;
  let most = 0;
  const work = async () => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setImmediate(resolve));
    running--;
  };
  await Promise.all(Array.from({ length: 4 }, () => withLock(lock, work)));
  expect(most).toBe(1);
  expect(existsSync(lock)).toBe(false);
});

test("a lock whose holder was killed is taken over", async () => {
  const lock = join(folder, "lock");
  const holder = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
  await writeFile(lock, String(holder.pid));
  let taken = false;
  const waiting = withLock(lock, async () => {
    taken = true;
  });
  expect(taken).toBe(false);
  holder.kill("SIGKILL");
  await once(holder, "exit");
  await waiting;
  expect(taken).toBe(true);
});

test("the lock is freed when the work fails", async () => {
  const lock = join(folder, "lock");
  const failing = withLock(lock, async () => {
    throw new Error("no");
  });
  await expect(failing).rejects.toThrow("no");
  expect(existsSync(lock)).toBe(false);
});

test("the stamp of sources changes with a file's contents, with a new and with a removed file", async () => {
  const sources = join(folder, "sources");
  await mkdir(join(sources, "deep"), { recursive: true });
  await writeFile(join(sources, "deep", "a.ts"), "1");
  const first = stampOf([sources]);
  expect(stampOf([sources])).toBe(first);
  await writeFile(join(sources, "deep", "a.ts"), "22");
  const changed = stampOf([sources]);
  await writeFile(join(sources, "b.ts"), "1");
  const grown = stampOf([sources]);
  await rm(join(sources, "b.ts"));
  expect(new Set([first, changed, grown]).size).toBe(3);
  expect(stampOf([sources])).toBe(changed);
});

test("an unknown command is refused with the list of those there are", async () => {
  const child = spawn(process.execPath, ["electron/launch/run.mjs", "nonsense"]);
  const said: Buffer[] = [];
  child.stderr.on("data", (chunk: Buffer) => said.push(chunk));
  const [code] = await once(child, "close");
  expect(code).toBe(2);
  expect(Buffer.concat(said).toString()).toMatch(/no command "nonsense".*relay, headless/);
});
