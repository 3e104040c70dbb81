/** Makes a file of a backup, and data of such a file. */
import { createReadStream } from "node:fs";
import { mkdir, open, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DovetailError } from "../../shared/errors.js";
import type { Write } from "../../shared/key-value.js";
import { askBackup } from "../admin/client.js";
import { SCHEMA_VERSION } from "../store/kv-relay-store.js";
import { PAGE_BYTES } from "./bounds.js";
import { isWhole, openStore, openStores, relayNameIn } from "./embedded.js";
import { type BackupHeader, backupBytes, readBackup } from "./file.js";
import { clearMark, isMarked, refuseMarked, setMark, syncAll, syncNameOf } from "./marks.js";
import type { NamedStore } from "./part.js";

/** Users' messages are in it. */
const OWNER_ONLY = 0o600;

export interface Contents {
  readonly header: BackupHeader;
  readonly rows: number;
}

/**
 * The data as a backup: of the relay that runs on them, or as they are where none does.
 * @throws DovetailError also while it is read.
 */
export async function* backupOf(data: string, now: () => number): AsyncGenerator<Uint8Array> {
  const running = await askBackup(data).catch((error: unknown) => {
    if (DovetailError.from(error).code === "relay_unreachable") return null;
    throw error;
  });
  if (running) {
    try {
      yield* running;
    } catch (cause) {
      throw new DovetailError("storage_failed", "The relay broke the backup off.", { cause });
    }
    return;
  }
  await refuseMarked(data);
  const stores = await openStores(data);
  try {
    const header = { relay: await relayNameIn(stores), schema: SCHEMA_VERSION, at: now() };
    const snapshots = await Promise.all(
      stores.map(async ({ name, kv }) => ({ name, ...(await kv.snapshot()) })),
    );
    yield* backupBytes(header, snapshots);
  } finally {
    await Promise.all(stores.map(({ kv }) => kv.close()));
  }
}

/**
 * Writes it beside, reads it back and only then gives it its name.
 * @throws DovetailError `not_allowed` where there is such a file; `disk_full` or `storage_failed`.
 */
export async function writeBackup(
  bytes: AsyncIterable<Uint8Array>,
  path: string,
): Promise<Contents> {
  if (await isThere(path)) throw new DovetailError("not_allowed", `${path} is there already.`);
  const half = `${path}.part`;
  try {
    const file = await open(half, "w", OWNER_ONLY);
    try {
      await writeFile(file, bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    const contents = await verifyBackup(half);
    await rename(half, path);
    await syncNameOf(path);
    return contents;
  } catch (error) {
    await rm(half, { force: true });
    throw translated(error, path);
  }
}

/** @throws DovetailError `profile_corrupt` or `profile_newer`; `storage_failed` where it cannot be read. */
export async function verifyBackup(path: string): Promise<Contents> {
  try {
    const { header, rows } = await readBackup(createReadStream(path));
    let count = 0;
    for await (const _ of rows) count += 1;
    refuseOthers(header);
    return { header, rows: count };
  } catch (error) {
    throw translated(error, path);
  }
}

function refuseOthers({ schema, stores }: BackupHeader): void {
  if (schema > SCHEMA_VERSION) {
    throw new DovetailError(
      "profile_newer",
      `The backup is of a newer relay (schema ${schema}; this one knows ${SCHEMA_VERSION}).`,
    );
  }
  if (!isWhole(stores)) {
    throw new DovetailError("profile_corrupt", "The backup has not all stores of a relay.");
  }
}

/**
 * Makes a folder of data from a backup that was verified before. While it is being made no relay starts
 * on it; one that was not finished is begun anew.
 * @throws DovetailError `not_allowed` where something is there already; as `verifyBackup`.
 */
export async function restoreBackup(path: string, data: string): Promise<Contents> {
  const contents = await verifyBackup(path);
  await mkdir(data, { recursive: true });
  if (await isMarked(data, "restoring")) {
    for (const name of await readdir(data)) {
      if (name !== "restoring") await rm(join(data, name), { recursive: true });
    }
  } else if ((await readdir(data)).length > 0) {
    throw new DovetailError(
      "not_allowed",
      `${data} is not empty: a backup is restored into a new folder.`,
    );
  }
  await setMark(data, "restoring");
  await fill(createReadStream(path), data);
  await clearMark(data, "restoring");
  return contents;
}

/**
 * Durable when it resolves.
 * @throws DovetailError as `readBackup`: then what is in the folder is not to be used.
 */
export async function fill(bytes: AsyncIterable<Uint8Array>, data: string): Promise<void> {
  const { header, rows } = await readBackup(bytes);
  refuseOthers(header);
  const stores: NamedStore[] = [];
  try {
    for (const name of header.stores) stores.push(await openStore(data, name));
    let writes: Write[] = [];
    let bytes = 0;
    let at: NamedStore | undefined;
    const flush = async (): Promise<void> => {
      await at?.kv.batch(writes, false);
      writes = [];
      bytes = 0;
    };
    for await (const { store, key, value } of rows) {
      if (store !== at?.name || bytes >= PAGE_BYTES) {
        await flush();
        at = stores.find(({ name }) => name === store);
      }
      writes.push({ type: "put", key, value });
      bytes += key.length + value.length;
    }
    await flush();
  } finally {
    await Promise.all(stores.map(({ kv }) => kv.close()));
  }
  await syncAll(data);
}

async function isThere(path: string): Promise<boolean> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw translated(error, path);
  });
  return found !== null;
}

function translated(error: unknown, path: string): DovetailError {
  if (error instanceof DovetailError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  const detail = { cause: error };
  if (code === "ENOSPC" || code === "EDQUOT") {
    return new DovetailError("disk_full", `There is no room for ${path}.`, detail);
  }
  return code === undefined
    ? DovetailError.from(error)
    : new DovetailError("storage_failed", `${path} cannot be read or written: ${message}`, detail);
}
