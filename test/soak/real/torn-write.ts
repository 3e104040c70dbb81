/**
 * The last write of a killed process, cut off in the middle: what a loss of power leaves of a write
 * that was not yet on the platter.
 *
 * Only what nobody was told may go. So the device is cut off first (its connections are reset, so
 * that no kernel goes on sending for the dead) and its hands rest; then the size of the newest log
 * of its LevelDB is noted, and again at each acknowledgement of a burst of messages, in the midst of
 * which it is killed. What stands in the file beyond the last noted size was acknowledged to nobody.
 */
import { readdirSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import type { Prng } from "../../sim/virtual-time.js";
import type { Talk } from "./cast.js";
import type { DeviceMachine } from "./machine.js";
import type { Traffic } from "./traffic.js";

const BURST = 24;
const CALM_MS = 250;
/** Looks at the file; a device that is cut off writes only what it is asked to. */
const LOOKS = 40;
/** After how many acknowledgements of the burst it is killed, at the most. */
const LATEST_KILL = 12;

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
    await new Promise((done) => setTimeout(done, CALM_MS));
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
  const client = device.running;
  if (!client || !(await calm(device.data))) return 0;
  let noted = newestLog(device.data);
  let acknowledged = 0;
  const enough = random.between(0, LATEST_KILL);
  const talk = random.pick(talks);
  await new Promise<void>((kill) => {
    const note = (): void => {
      noted = newestLog(device.data);
      if (++acknowledged >= enough) kill();
    };
    for (let i = 0; i < BURST; i++) void traffic.send(device, client, talk, random, note);
    if (enough === 0) kill();
  });
  await device.kill();
  const left = newestLog(device.data);
  // LevelDB began another file: what is beyond the last acknowledgement cannot be told any more.
  if (left.path !== noted.path || left.size <= noted.size) return 0;
  const cut = random.between(1, left.size - noted.size);
  truncateSync(left.path, left.size - cut);
  return cut;
}
