/** Where the folders of the embedded store are: those of this process open, the others by the mesh. */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { DovetailError } from "../../shared/errors.js";
import type { SnapshotKeyValue } from "../../shared/key-value.js";
import { openLevel } from "../../shared/node/level-key-value.js";
import type { Log } from "../../shared/runtime.js";
import type { Barrier } from "../backup/barrier.js";
import type { NamedStore } from "../backup/part.js";
import {
  type DirectoryFolder,
  directoryMethods,
  type Folder,
  folderMethods,
  openDirectory,
  openFolder,
} from "../store/sharded/folder.js";
import { FOLDERS } from "../store/sharded/folders.js";
import type { Note } from "../store/sharded/inbox-shard.js";
import {
  byFolder,
  type FolderNotes,
  type Folders,
  notesIn,
} from "../store/sharded/sharded-store.js";
import { LOCK_MS } from "./bounds.js";
import type { Answerer, Mesh } from "./mesh.js";
import { foldersOf, type Seat, seatOf } from "./seats.js";

/** The one that has the directory too. */
const DIRECTORY_SEAT = 0;

export const shardsIn = (data: string): string => join(data, "shards");
/** In backups: the store of data that are in one place. */
export const ONE_STORE = "data";
export const folderName = (folder: number): string => folder.toString().padStart(2, "0");
export const folderPath = (shards: string, folder: number): string =>
  join(shards, folderName(folder));
export const DIRECTORY = "directory";
export const directoryPath = (shards: string): string => join(shards, DIRECTORY);

export interface OpenFolders extends Folders {
  /** Answers what other workers ask of the folders here. */
  readonly answer: Answerer;
  /** Those that this process has open. */
  readonly stores: readonly NamedStore[];
  close(): Promise<void>;
}

/** @throws DovetailError as {@link openLevel}. */
export async function openFolders(
  shards: string,
  seat: Seat,
  mesh: Mesh | null,
  log: Log,
  barrier: Barrier,
): Promise<OpenFolders> {
  const stores: NamedStore[] = [];
  const close = async () => {
    await Promise.all(stores.map(({ kv }) => kv.close()));
  };
  const openAt = async (name: string): Promise<SnapshotKeyValue> => {
    const kv = barrier.guard(await openPatiently(join(shards, name)));
    stores.push({ name, kv });
    return kv;
  };
  try {
    const own = foldersOf(seat);
    const folders: Folder[] = Array.from({ length: FOLDERS }, (_, i) =>
      elsewhere<Folder>(mesh, seatOf(i, seat.count), `${i}`, folderMethods),
    );
    let directory = elsewhere<DirectoryFolder>(mesh, DIRECTORY_SEAT, "", directoryMethods);
    const all: Folders = {
      own,
      folder: (i) => folders[i] as Folder,
      get directory() {
        return directory;
      },
    };
    const local = await Promise.all(
      own.map(async (i) => {
        const kv = await openAt(folderName(i));
        const folder = await openFolder(kv, (notes) => tell(all, seat, mesh, notes));
        folders[i] = folder;
        return folder;
      }),
    );
    if (seat.index === DIRECTORY_SEAT) directory = openDirectory(await openAt(DIRECTORY));
    // Of an earlier process. Until then nobody is given what they are about.
    for (const { logs } of local) {
      void logs.tellAllLeft().catch((error) => log.warn("notes.left", { error }));
    }
    return {
      ...all,
      directory,
      answer: (subject, args) => answerHere(all, seat, subject, args),
      stores,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

const NOTES = "notes";

/** One question to each worker, whatever the number of its folders. */
async function tell(
  folders: Folders,
  seat: Seat,
  mesh: Mesh | null,
  notes: readonly Note[],
): Promise<ReadonlyMap<Note, unknown>> {
  const bySeat = new Map<number, FolderNotes[]>();
  for (const some of byFolder(notes)) {
    const index = seatOf(some[0], seat.count);
    const others = bySeat.get(index);
    if (others) others.push(some);
    else bySeat.set(index, [some]);
  }
  const failed = new Map<Note, unknown>();
  await Promise.all(
    [...bySeat].map(async ([index, some]) => {
      try {
        if (index === seat.index) await noteHere(folders, some);
        else await mesh?.ask(index, NOTES, [some]);
      } catch (error) {
        const lost = notesIn(notes, (folder) => seatOf(folder, seat.count) === index);
        for (const note of lost) failed.set(note, error);
      }
    }),
  );
  return failed;
}

async function noteHere(folders: Folders, some: readonly FolderNotes[]): Promise<void> {
  await Promise.all(some.map(([index, notes]) => folders.folder(index).inboxes.note(notes)));
}

/** A worker that is ending may still have it. */
export async function openPatiently(path: string): Promise<SnapshotKeyValue> {
  const until = performance.now() + LOCK_MS;
  for (;;) {
    try {
      return await openLevel(path);
    } catch (error) {
      const locked = DovetailError.from(error).code === "profile_in_use";
      if (!locked || performance.now() > until) throw error;
      await sleep(50);
    }
  }
}

type Methods = Readonly<Record<string, readonly string[]>>;

/** The tables of a folder that another worker has. */
function elsewhere<T>(mesh: Mesh | null, seat: number, folder: string, methods: Methods): T {
  const tables = Object.entries(methods).map(([table, names]) => [
    table,
    Object.fromEntries(
      names.map((name) => [
        name,
        (...args: readonly unknown[]) =>
          mesh?.ask(seat, [folder, table, name].join("/"), args) ??
          Promise.reject(new DovetailError("internal", "No worker has that folder.")),
      ]),
    ),
  ]);
  return Object.fromEntries(tables);
}

/** What may be asked is in the lists, and nothing else that an object happens to have. */
async function answerHere(
  folders: Folders,
  seat: Seat,
  subject: string,
  args: readonly unknown[],
): Promise<unknown> {
  if (subject === NOTES) return noteHere(folders, args[0] as readonly FolderNotes[]);
  const [folder = "", table = "", name = ""] = subject.split("/");
  const methods: Methods = folder === "" ? directoryMethods : folderMethods;
  const isHere =
    folder === "" ? seat.index === DIRECTORY_SEAT : folders.own.includes(Number(folder));
  if (!isHere || !Object.hasOwn(methods, table) || !methods[table]?.includes(name)) {
    throw new DovetailError("internal", `No such question: ${subject}.`);
  }
  const tables = (folder === ""
    ? folders.directory
    : folders.folder(Number(folder))) as unknown as {
    readonly [table: string]: { readonly [name: string]: (...args: unknown[]) => Promise<unknown> };
  };
  return tables[table]?.[name]?.(...args);
}
