/** The embedded store of a relay that does not run, as it is read to be moved. */
import type { ConversationId, UserId } from "../../shared/ids.js";
import { type KeyValue, type Row, under } from "../../shared/key-value.js";
import type { Log } from "../../shared/runtime.js";
import { Barrier } from "../backup/barrier.js";
import { directoryOf, openStores, relayNameIn } from "../backup/embedded.js";
import type { NamedStore } from "../backup/part.js";
import type { RelayStore } from "../core/ports.js";
import { KvRelayStore } from "../store/kv-relay-store.js";
import { folderOf } from "../store/sharded/folders.js";
import { ShardedRelayStore } from "../store/sharded/sharded-store.js";
import { folderName, ONE_STORE, openFolders, shardsIn } from "../workers/folders.js";
import { inFolders } from "../workers/prepare.js";

const PAGE_ROWS = 500;

export interface Source {
  readonly name: string;
  readonly store: RelayStore;
  readonly directory: KeyValue;
  readonly stores: readonly NamedStore[];
  /** The rows of a log. */
  at(id: ConversationId): KeyValue;
  /** With what was begun before the relay ended: whoever reads a log finds it told to its users. */
  close(): Promise<void>;
}

/** @throws DovetailError as `openLevel`. */
export async function openSource(data: string, log: Log): Promise<Source> {
  if (await inFolders(data)) {
    const folders = await openFolders(
      shardsIn(data),
      { index: 0, count: 1 },
      null,
      log,
      new Barrier(),
    );
    return sourceOf(folders.stores, new ShardedRelayStore(folders), () => folders.close());
  }
  const stores = await openStores(data);
  const close = async (): Promise<void> => {
    await Promise.all(stores.map(({ kv }) => kv.close()));
  };
  try {
    const store = await KvRelayStore.open(directoryOf(stores), await relayNameIn(stores));
    return await sourceOf(stores, store, close);
  } catch (error) {
    await close();
    throw error;
  }
}

async function sourceOf(
  stores: readonly NamedStore[],
  store: RelayStore,
  close: () => Promise<void>,
): Promise<Source> {
  const byName = new Map(stores.map(({ name, kv }) => [name, kv]));
  const one = byName.get(ONE_STORE);
  return {
    name: await relayNameIn(stores),
    store,
    directory: directoryOf(stores),
    stores,
    at: (id) => one ?? (byName.get(folderName(folderOf(id))) as KeyValue),
    close,
  };
}

/** All rows with that prefix, read as they are asked for. */
export async function* rowsUnder(kv: KeyValue, prefix: string): AsyncGenerator<Row> {
  const { from, to } = under(prefix);
  for (let next = from; ; ) {
    const page = await kv.range({ from: next, to, limit: PAGE_ROWS });
    yield* page;
    const last = page.at(-1);
    if (!last || page.length < PAGE_ROWS) return;
    next = `${last.key}\0`;
  }
}

export const lastPart = (key: string): string => key.slice(key.lastIndexOf("/") + 1);

export async function* conversationsOf({ store }: Source): AsyncGenerator<ConversationId> {
  for (let last: ConversationId | null = null; ; ) {
    const page: readonly ConversationId[] = await store.logs.conversationsAfter(last, PAGE_ROWS);
    yield* page;
    last = page.at(-1) ?? null;
    if (last === null) return;
  }
}

export async function* usersOf({ directory }: Source): AsyncGenerator<UserId> {
  for await (const { key } of rowsUnder(directory, "user/")) yield lastPart(key) as UserId;
}
