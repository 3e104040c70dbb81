/** Where the folders of the embedded store are: those of this process open, the others by the mesh. */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { DovetailError } from "../../shared/errors.js";
import type { KeyValue } from "../../shared/key-value.js";
import { openLevel } from "../../shared/node/level-key-value.js";
import type { Log } from "../../shared/runtime.js";
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
import { byFolder, type FolderNotes, type Folders } from "../store/sharded/sharded-store.js";
import { LOCK_MS } from "./bounds.js";
import type { Answerer, Mesh } from "./mesh.js";
import { foldersOf, type Seat, seatOf } from "./seats.js";

/** The one that has the directory too. */
const DIRECTORY_SEAT = 0;

export const shardsIn = (data: string): string => join(data, "shards");
export const folderPath = (shards: string, folder: number): string =>
  join(shards, folder.toString().padStart(2, "0"));
export const directoryPath = (shards: string): string => join(shards, "directory");

export interface OpenFolders extends Folders {
  /** Answers what other workers ask of the folders here. */
  readonly answer: Answerer;
  close(): Promise<void>;
}

/** @throws DovetailError as {@link openLevel}. */
export async function openFolders(
  shards: string,
  seat: Seat,
  mesh: Mesh | null,
  log: Log,
): Promise<OpenFolders> {
  const open: KeyValue[] = [];
  const close = async () => {
    await Promise.all(open.map((kv) => kv.close()));
  };
  const openAt = async (path: string): Promise<KeyValue> => {
    const kv = await openPatiently(path);
    open.push(kv);
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
        const kv = await openAt(folderPath(shards, i));
        const folder = await openFolder(kv, (notes) => tell(all, seat, mesh, notes));
        folders[i] = folder;
        return folder;
      }),
    );
    if (seat.index === DIRECTORY_SEAT)
      directory = openDirectory(await openAt(directoryPath(shards)));
    // Of an earlier process. Until then nobody is given what they are about.
    for (const { logs } of local) {
      void logs.tellAllLeft().catch((error) => log.warn("notes.left", { error }));
    }
    return {
      ...all,
      directory,
      answer: (subject, args) => answerHere(all, seat, subject, args),
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
): Promise<void> {
  const bySeat = new Map<number, FolderNotes[]>();
  for (const some of byFolder(notes)) {
    const index = seatOf(some[0], seat.count);
    const others = bySeat.get(index);
    if (others) others.push(some);
    else bySeat.set(index, [some]);
  }
  await Promise.all(
    [...bySeat].map(([index, some]) =>
      index === seat.index ? noteHere(folders, some) : mesh?.ask(index, NOTES, [some]),
    ),
  );
}

async function noteHere(folders: Folders, some: readonly FolderNotes[]): Promise<void> {
  await Promise.all(some.map(([index, notes]) => folders.folder(index).inboxes.note(notes)));
}

/** A worker that is ending may still have it. */
export async function openPatiently(path: string): Promise<KeyValue> {
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
