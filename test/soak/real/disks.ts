/** Disks that can be full: small ones in memory, which root can mount, with a ballast file. */
import { execFileSync, spawnSync } from "node:child_process";
import { appendFileSync, cpSync, mkdirSync, rmSync, statfsSync } from "node:fs";
import { join } from "node:path";

/** Mebibytes: more than a run of twenty minutes writes to one profile. */
const SIZE_MIB = 512;
const MIB = 1_048_576;
/** What others may take between the question how much is free and the answer. */
const PAGES_LEFT = 256;

const run = (command: string, ...args: string[]): void => {
  execFileSync(command, args, { stdio: ["ignore", "ignore", "pipe"] });
};

export class SmallDisk {
  readonly folder: string;
  readonly #mount: string;
  readonly #ballast: string;

  /** Mounted at `mount`, which is made. */
  constructor(mount: string) {
    mkdirSync(mount, { recursive: true });
    run("mount", "-t", "tmpfs", "-o", `size=${SIZE_MIB}m`, "dovetail-soak", mount);
    this.#mount = mount;
    this.#ballast = join(mount, "ballast");
    this.folder = join(mount, "data");
  }

  fill(): void {
    const { bavail, bsize, blocks } = statfsSync(this.#mount);
    // Somebody has unmounted it: what would be filled is the machine's own disk.
    if (blocks * bsize > SIZE_MIB * MIB)
      throw new Error(`${this.#mount} is no small disk any more`);
    const most = (bavail - PAGES_LEFT) * bsize;
    // Where somebody took some of it meanwhile, the pages below take all that there is.
    if (most > 0) spawnSync("fallocate", ["-l", String(most), this.#ballast], { stdio: "ignore" });
    // The rest one by one, because somebody is writing there at the same time.
    const page = Buffer.alloc(bsize);
    try {
      for (;;) appendFileSync(this.#ballast, page);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
    }
  }

  empty(): void {
    rmSync(this.#ballast, { force: true });
  }

  /** Whatever is to be kept has to be copied before. */
  unmount(): void {
    run("umount", this.#mount);
  }
}

/** Why small disks cannot be had here; null where they can. */
export function whyNoDisks(folder: string): string | null {
  if (process.platform !== "linux") return "small disks are made of Linux's tmpfs";
  if (process.getuid?.() !== 0) return "mounting a small disk needs root";
  const mount = join(folder, "try");
  try {
    new SmallDisk(mount).unmount();
    rmSync(mount, { recursive: true });
    return null;
  } catch (error) {
    return `a small disk cannot be mounted: ${String(error).split("\n")[0]}`;
  }
}

/** Copies a folder of data that somebody may be using. A socket cannot be copied, and is nobody's data. */
export const copyData = (from: string, to: string): void =>
  cpSync(from, to, { recursive: true, filter: (path) => !path.endsWith(".sock") });
