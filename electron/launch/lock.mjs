import {
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

const RENEW_MS = 1_000;
/** Bundling may keep the event loop, and with it the renewing, busy for a good while. */
const STALE_MS = 60_000;
const RETRY_MS = 100;

export function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: there is such a process, of another user.
    return error.code === "EPERM";
  }
}

function tryTake(file) {
  try {
    writeFileSync(file, String(process.pid), { flag: "wx" });
    return true;
  } catch (error) {
    if (error.code === "EEXIST") return false;
    throw error;
  }
}

function removeIfStale(file) {
  try {
    const pid = Number(readFileSync(file, "utf8"));
    const age = Date.now() - statSync(file).mtimeMs;
    // An empty file is one whose holder is just about to write its pid.
    const gone = pid > 0 ? !isAlive(pid) : age > RENEW_MS;
    if (gone || age > STALE_MS) rmSync(file, { force: true });
  } catch (error) {
    if (error.code !== "ENOENT") throw error;
  }
}

/** Runs `work` while no other process runs under the same lock file. */
export async function withLock(file, work) {
  mkdirSync(dirname(file), { recursive: true });
  while (!tryTake(file)) {
    removeIfStale(file);
    await delay(RETRY_MS);
  }
  const renewing = setInterval(() => {
    if (existsSync(file)) utimesSync(file, new Date(), new Date());
  }, RENEW_MS);
  try {
    return await work();
  } finally {
    clearInterval(renewing);
    rmSync(file, { force: true });
  }
}
