import { rm } from "node:fs/promises";
import { join } from "node:path";
import { Level } from "level";

/** In Node `level` is classic-level, which has this; its types are those that browsers share. */
const { repair } = Level as unknown as { repair(folder: string): Promise<void> };

/**
 * Rebuilds a database that is not open from what can be read of its files. Rows that were deleted or
 * replaced may be as they were before, so it is good for reading only.
 */
export async function repairLevel(folder: string): Promise<void> {
  await repair(folder);
  // Where LevelDB puts what it has replaced.
  await rm(join(folder, "lost"), { recursive: true, force: true });
}
