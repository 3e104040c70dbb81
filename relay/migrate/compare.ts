/** What is in Cassandra, read as a relay reads it, against what it was copied from. */
import { isDeepStrictEqual } from "node:util";
import { sameBytes } from "../../shared/bytes.js";
import { digestOfPairs, digestOfStretch, piecesOf, type Stretch } from "../../shared/digest.js";
import { DovetailError } from "../../shared/errors.js";
import type { ConversationId, DeviceId, UserId } from "../../shared/ids.js";
import { nodeCrypto } from "../../shared/node/runtime.js";
import type { SequencedEntry } from "../../shared/protocol.js";
import type { LogStore, RelayStore, StoredConversation } from "../core/ports.js";
import { rows } from "../store/rows.js";
import { lastPart, rowsUnder, type Source } from "./source.js";

const ENTRIES_PER_READ = 128;

const differs = (what: string): DovetailError =>
  new DovetailError("storage_failed", `${what} is not in Cassandra what it is here.`);

/** @throws DovetailError `storage_failed` where they differ. */
export async function compareLog(
  source: Source,
  target: RelayStore,
  id: ConversationId,
): Promise<void> {
  const [here, there] = await Promise.all([
    source.store.logs.conversation(id),
    target.logs.conversation(id),
  ]);
  const spans = await Promise.all(
    [source.store, target].map(async ({ logs }) => sorted(await logs.allSpans(id))),
  );
  const invites = await Promise.all(
    [source.store, target].map(async (store) => byCode(await store.invites.of(id))),
  );
  const same =
    isDeepStrictEqual(here && plain(here), there && plain(there)) &&
    isDeepStrictEqual(spans[0], spans[1]) &&
    isDeepStrictEqual(invites[0], invites[1]);
  if (!here || !same) throw differs(`The state of the log ${id}`);
  for await (const { key, value } of rowsUnder(source.at(id), `last/${id}/`)) {
    const n = await target.logs.lastN(id, lastPart(key) as DeviceId);
    if (n !== rows.number.decode(key, value)) throw differs(`What a device wrote last in ${id}`);
  }
  if (here.head < here.first) return;
  const stretch = { from: here.first, to: here.head };
  const digests = await Promise.all(
    [source.store, target].map(({ logs }) => digestOf(logs, id, stretch)),
  );
  const [mine = [], others = []] = digests;
  if (!mine.every((digest, i) => sameBytes(digest, others[i] as Uint8Array))) {
    throw differs(`The log ${id}`);
  }
}

/** Of places and origins, and of what the entries are. */
async function digestOf(
  logs: LogStore,
  id: ConversationId,
  stretch: Stretch,
): Promise<readonly [Uint8Array, Uint8Array]> {
  const pieces: Uint8Array[] = [];
  const contents: Uint8Array[] = [];
  for (const piece of piecesOf(stretch)) {
    const entries: SequencedEntry[] = [];
    for (let next = piece.from; next <= piece.to; ) {
      const limit = Math.min(ENTRIES_PER_READ, piece.to + 1 - next);
      const page = await logs.entries(id, next, limit);
      if (page.length === 0) break;
      entries.push(...page);
      next = (page.at(-1)?.seq ?? piece.to) + 1;
    }
    pieces.push(digestOfPairs(nodeCrypto, entries));
    contents.push(nodeCrypto.sha256(Buffer.concat(entries.map((each) => rows.entry.encode(each)))));
  }
  return [digestOfStretch(nodeCrypto, pieces), digestOfStretch(nodeCrypto, contents)];
}

/** @throws DovetailError `storage_failed` where they differ. */
export async function compareInbox(
  source: Source,
  target: RelayStore,
  user: UserId,
): Promise<void> {
  const read = async ({ logs }: RelayStore) => [
    await logs.newestStamp(user),
    await logs.changes(user, 0, 1_000_000_000),
    [...(await logs.groupsOf(user))].sort(),
  ];
  if (!isDeepStrictEqual(await read(source.store), await read(target))) {
    throw differs(`The inbox of ${user}`);
  }
}

const sorted = <V>(map: ReadonlyMap<string, V>): [string, V][] =>
  [...map].sort(([a], [b]) => (a < b ? -1 : 1));

const byCode = <T extends { readonly code: string }>(some: readonly T[]): T[] =>
  [...some].sort((a, b) => (a.code < b.code ? -1 : 1));

const plain = ({ cursors, ...rest }: StoredConversation) => ({
  ...rest,
  cursors: sorted(cursors).map(([user, { devices, ...cursor }]) => [
    user,
    { ...cursor, devices: sorted(devices) },
  ]),
});
