/**
 * The last write of a killed process, cut off in the middle: what a loss of power leaves of a write
 * that was not yet on the platter.
 *
 * Only what nobody was told may go. So the device is cut off first (its connections are reset, so
 * that no kernel goes on sending for the dead) and its hands rest. When the newest log of its
 * LevelDB grows no more its size is noted, some messages are asked for, and as soon as the file
 * grows the device is killed. Where none of them was acknowledged yet, what stands in the file
 * beyond the noted size was promised to nobody.
 */
import { readdirSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Prng } from "../../sim/virtual-time.js";
import type { Talk } from "./cast.js";
import type { DeviceMachine } from "./machine.js";
import type { Traffic } from "./traffic.js";

/** Messages at the most. */
const BURST = 8;
/** Milliseconds that a device has to begin writing. */
const WATCH_MS = 200;
const CALM_MS = 250;
/** Looks at the file; a device that is cut off writes only what it is asked to. */
const LOOKS = 40;

interface LogFile {
  readonly path: string;
  readonly size: number;
}

/** The one that LevelDB appends to: they are numbered. */
function newestLog(data: string): LogFile {
  const folder = join(data, "db");
  const logs = readdirSync(folder).filter((name) => /^\d+\.log$/.test(name));
  const last = logs.sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10)).at(-1);
  const path = join(folder, last ?? "");
  return { path, size: statSync(path).size };
}

const same = (a: LogFile, b: LogFile): boolean => a.path === b.path && a.size === b.size;

async function calm(data: string): Promise<boolean> {
  let noted = newestLog(data);
  for (let i = 0; i < LOOKS; i++) {
    await sleep(CALM_MS);
    const now = newestLog(data);
    if (same(now, noted)) return true;
    noted = now;
  }
  return false;
}

/** Kills the device, which must be cut off and at rest; gives how many bytes were torn off. */
export async function tearLastWrite(
  device: DeviceMachine,
  talks: readonly Talk[],
  traffic: Traffic,
  random: Prng,
): Promise<number> {
  if (!device.running || !(await calm(device.data))) return 0;
  const noted = newestLog(device.data);
  const talk = random.pick(talks.filter(({ isGroup }) => !isGroup));
  let told = false;
  const tell = (): void => {
    told = true;
  };
  for (let i = random.between(1, BURST); i > 0; i--) {
    const text = `${device.name}.torn.${device.sent.length}`;
    // Most of them are never answered.
    traffic.send(device, talk.id, text, undefined, tell).catch(() => undefined);
  }
  // Without a pause: between the write and its acknowledgement there is not a millisecond.
  const end = performance.now() + WATCH_MS;
  while (same(newestLog(device.data), noted) && performance.now() < end);
  await device.kill();
  const left = newestLog(device.data);
  if (told || left.path !== noted.path || left.size <= noted.size) return 0;
  const cut = random.between(1, left.size - noted.size);
  truncateSync(left.path, left.size - cut);
  return cut;
}
