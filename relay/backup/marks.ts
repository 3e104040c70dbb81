/** Files in a data folder that say why no relay may start on it. */
import { open, readdir, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { DovetailError } from "../../shared/errors.js";

const marks = {
  restoring: "A backup is being restored there, or was not to the end: restore it again.",
  "moving-to-cassandra":
    "They are being moved to Cassandra: run migrate again to the end, or migrate --abandon.",
  "moved-to-cassandra": "They were moved to Cassandra: start the relay with --store cassandra.",
} as const;

export type Mark = keyof typeof marks;

const pathOf = (data: string, mark: Mark): string => join(data, mark);

export async function isMarked(data: string, mark: Mark): Promise<boolean> {
  const found = await stat(pathOf(data, mark)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw error;
  });
  return found !== null;
}

/** Durable when it resolves. */
export async function setMark(data: string, mark: Mark): Promise<void> {
  const file = await open(pathOf(data, mark), "w");
  await file.close();
  await syncFolder(data);
}

/** Durable when it resolves. */
export async function clearMark(data: string, mark: Mark): Promise<void> {
  await rm(pathOf(data, mark), { force: true });
  await syncFolder(data);
}

/** @throws DovetailError `not_allowed` where the data are not for a relay to start on. */
export async function refuseMarked(data: string): Promise<void> {
  for (const mark of Object.keys(marks) as Mark[]) {
    if (await isMarked(data, mark)) {
      throw new DovetailError("not_allowed", `The data in ${data} cannot be used. ${marks[mark]}`);
    }
  }
}

/** So that a new name outlives a loss of power; Windows has no such thing for folders. */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(folder);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * All files below, with their names. A durable write of LevelDB takes along what is in the same log file
 * only: of many rows that were written without waiting, those before it may still be on their way.
 */
export async function syncAll(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await syncAll(path);
    if (!entry.isFile()) continue;
    const handle = await open(path, "r+");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
  await syncFolder(folder);
}

export const syncNameOf = (path: string): Promise<void> => syncFolder(dirname(path));
