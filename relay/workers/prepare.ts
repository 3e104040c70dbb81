/** The embedded store's folders: made, or filled from a store in one place, before workers open them. */
import { randomUUID } from "node:crypto";
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { DovetailError } from "../../shared/errors.js";
import type { KeyValue } from "../../shared/key-value.js";
import type { Log } from "../../shared/runtime.js";
import { refuseMarked, syncAll, syncFolder } from "../backup/marks.js";
import { KvRelayStore, SCHEMA_VERSION } from "../store/kv-relay-store.js";
import { keys, rows } from "../store/rows.js";
import { carryOver, type Target } from "../store/sharded/carry-over.js";
import { FOLDERS } from "../store/sharded/folders.js";
import {
  DIRECTORY,
  directoryPath,
  folderName,
  folderPath,
  openPatiently,
  shardsIn,
} from "./folders.js";

const ALL_FOLDERS = Array.from({ length: FOLDERS }, (_, folder) => folderName(folder));

/** Where the store of one place is kept aside once its folders are there. */
const asideIn = (data: string): string => join(data, "before-workers");

/** Files of LevelDB (its doc/impl.md), which lie in the data folder itself where the store is in one place. */
const LEVEL_FILE = /^(?:CURRENT|LOCK|LOG|LOG\.old|MANIFEST-\d+|\d+\.(?:ldb|sst|log|dbtmp))$/;

const namesIn = (folder: string): Promise<string[]> =>
  readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });

const newName = (): string => `relay-${randomUUID()}`;

/**
 * Whether the data are in folders already.
 * @throws DovetailError `profile_corrupt` where one of the folders is missing: LevelDB would make it anew,
 * as if there had never been anything in it.
 */
export async function inFolders(data: string): Promise<boolean> {
  if (!(await namesIn(data)).includes("shards")) return false;
  const there = new Set(await namesIn(shardsIn(data)));
  const missing = [DIRECTORY, ...ALL_FOLDERS].filter((name) => !there.has(name));
  if (missing.length === 0) return true;
  throw new DovetailError(
    "profile_corrupt",
    `${shardsIn(data)} lacks ${missing.join(", ")}. Put back what was there, or restore a backup.`,
  );
}

/**
 * Sees to it that the folders are there, and gives the relay's name. What an earlier try has left half
 * done is done anew: they are there with one renaming.
 * @throws DovetailError as `openLevel`, `carryOver` and `inFolders`; `profile_newer`.
 */
export async function prepareFolders(data: string, log: Log): Promise<string> {
  await refuseMarked(data);
  await mkdir(data, { recursive: true });
  const shards = shardsIn(data);
  if (!(await inFolders(data))) {
    const hasStore = (await namesIn(data)).includes("CURRENT");
    // Until they are there: whoever else is at it, or runs on the store, has it, and is not disturbed.
    const source = hasStore ? await openPatiently(data) : null;
    try {
      // Another may have been faster.
      if (!(await inFolders(data))) await makeFolders(data, source, log);
    } finally {
      await source?.close();
    }
  }
  await putAside(data);
  const directory = await openPatiently(directoryPath(shards));
  try {
    const { name } = await KvRelayStore.open(directory, newName());
    return name;
  } finally {
    await directory.close();
  }
}

async function makeFolders(data: string, source: KeyValue | null, log: Log): Promise<void> {
  const half = `${shardsIn(data)}.new`;
  await rm(half, { recursive: true, force: true });
  await fill(half, source, log);
  await syncAll(half);
  await rename(half, shardsIn(data));
  await syncFolder(data);
}

async function fill(shards: string, source: KeyValue | null, log: Log): Promise<void> {
  const opened: KeyValue[] = [];
  const openAt = async (path: string): Promise<KeyValue> => {
    await mkdir(path, { recursive: true });
    const kv = await openPatiently(path);
    opened.push(kv);
    return kv;
  };
  try {
    const folders: KeyValue[] = [];
    for (let i = 0; i < FOLDERS; i++) folders.push(await openAt(folderPath(shards, i)));
    const target: Target = { folders, directory: await openAt(directoryPath(shards)) };
    if (source !== null) {
      // Refuses what a newer relay wrote, before anything is copied.
      await KvRelayStore.open(source, newName());
      log.info("store.carrying-over", { folders: FOLDERS });
      const rowsCopied = await carryOver(source, target);
      log.info("store.carried-over", { rows: rowsCopied });
    }
    const value = rows.number.encode(SCHEMA_VERSION);
    for (const kv of opened) await kv.batch([{ type: "put", key: keys.schema, value }]);
  } finally {
    await Promise.all(opened.map((kv) => kv.close()));
  }
}

/** Kept, and not where an older relay would take it for the data. */
async function putAside(data: string): Promise<void> {
  const files = (await namesIn(data)).filter((name) => LEVEL_FILE.test(name));
  if (files.length === 0) return;
  await mkdir(asideIn(data), { recursive: true });
  // Last, so that what is left of the store is seen to be one until it is gone.
  files.sort((a, b) => Number(a === "CURRENT") - Number(b === "CURRENT"));
  for (const name of files) await rename(join(data, name), join(asideIn(data), name));
  await syncFolder(data);
}
