/** The embedded store of a relay that does not run. */
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { DovetailError } from "../../shared/errors.js";
import type { SnapshotKeyValue } from "../../shared/key-value.js";
import { openLevel } from "../../shared/node/level-key-value.js";
import { keys, rows } from "../store/rows.js";
import { FOLDERS } from "../store/sharded/folders.js";
import { DIRECTORY, folderName, ONE_STORE, shardsIn } from "../workers/folders.js";
import { inFolders } from "../workers/prepare.js";
import type { NamedStore } from "./part.js";

const inShards = [...Array.from({ length: FOLDERS }, (_, i) => folderName(i)), DIRECTORY];

/** The stores that a relay's data consist of: one in the folder itself, or those in its shards. */
export function isWhole(names: readonly string[]): boolean {
  const wanted = names.length === 1 ? [ONE_STORE] : inShards;
  return wanted.length === names.length && wanted.every((name) => names.includes(name));
}

/** Makes it where it is missing. */
export async function openStore(data: string, name: string): Promise<NamedStore> {
  const path = name === ONE_STORE ? data : join(shardsIn(data), name);
  await mkdir(path, { recursive: true });
  return { name, kv: await openLevel(path) };
}

/** @throws DovetailError `not_found` where no relay has ever kept anything; as `openLevel`. */
export async function openStores(data: string): Promise<readonly NamedStore[]> {
  const names = (await inFolders(data)) ? inShards : [ONE_STORE];
  const there = await readdir(data).catch((): string[] => []);
  if (names.length === 1 && !there.includes("CURRENT")) {
    throw new DovetailError("not_found", `${data} has no data of a relay.`);
  }
  const stores: NamedStore[] = [];
  try {
    for (const name of names) stores.push(await openStore(data, name));
    return stores;
  } catch (error) {
    await Promise.all(stores.map(({ kv }) => kv.close()));
    throw error;
  }
}

/** The store that has what is not of one log or one inbox. */
export const directoryOf = (stores: readonly NamedStore[]): SnapshotKeyValue =>
  (stores.find(({ name }) => name === DIRECTORY || name === ONE_STORE) as NamedStore).kv;

/** What clients sign as the relay's name. */
export async function relayNameIn(stores: readonly NamedStore[]): Promise<string> {
  const stored = await directoryOf(stores).get(keys.relayName);
  if (!stored) throw new DovetailError("profile_corrupt", "The data have no relay's name.");
  return rows.name.decode(keys.relayName, stored);
}
