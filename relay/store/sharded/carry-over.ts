/** From a store in one place to one in folders. */
import { DovetailError } from "../../../shared/errors.js";
import type { ConversationId, UserId } from "../../../shared/ids.js";
import type { KeyValue, Write } from "../../../shared/key-value.js";
import { noteWrites } from "../log-commit.js";
import { keys, rows } from "../rows.js";
import { FOLDERS, folderOf } from "./folders.js";

/** Rows that are read, and written, at once. */
const PAGE_ROWS = 2_000;

export interface Target {
  readonly folders: readonly KeyValue[];
  readonly directory: KeyValue;
}

const DIRECTORY = "directory";
type Place = number | typeof DIRECTORY;

const OF_THE_DIRECTORY: ReadonlySet<string> = new Set([
  keys.userCount,
  keys.relayName,
  keys.codesNeeded,
]);

/** Which folder a row belongs to; null for one that is not carried over. */
function placeOf(key: string, value: Uint8Array): Place | null {
  const [kind, first = "", second = ""] = key.split("/");
  switch (kind) {
    case "conversation":
    case "head":
    case "first":
    case "last":
    case "entry":
    case "digest":
    case "origin":
    case "cursor":
    case "span":
    case "link-of":
    case "inbox":
    case "inbox-at":
    case "group-of":
      return folderOf(first);
    case "expiry":
      return folderOf(second);
    case "link":
      return folderOf(rows.invite.decode(key, value).conversationId);
    case "user":
    case "handle":
    case "device":
    case "devices":
    case "seen":
    case "block":
    case "invite":
    case "code":
      return DIRECTORY;
    case "meta":
      return OF_THE_DIRECTORY.has(key) ? DIRECTORY : null;
    // Each member of a crowd gets a note of its own.
    case "crowd-of":
    case "crowd-at":
      return null;
    default:
      throw new DovetailError("profile_corrupt", `The row ${key} is of no kind that is known.`);
  }
}

/** All rows in order, some at a time. */
async function* pages(kv: KeyValue) {
  for (let from = ""; ; ) {
    const page = await kv.range({ from, to: "~", limit: PAGE_ROWS });
    yield page;
    const last = page.at(-1);
    if (!last || page.length < PAGE_ROWS) return;
    // Nothing sorts between a key and itself with a space.
    from = `${last.key} `;
  }
}

/**
 * Copies everything; says how many rows. The target is empty. That it is durable is seen to by whoever
 * has it, once it is closed.
 * @throws DovetailError `profile_corrupt` where a row cannot be understood: nothing is left out.
 */
export async function carryOver(source: KeyValue, target: Target): Promise<number> {
  const at = (place: Place) =>
    (place === DIRECTORY ? target.directory : target.folders[place]) as KeyValue;
  let copied = 0;
  for await (const page of pages(source)) {
    const writes = new Map<Place, Write[]>();
    const put = (place: Place, key: string, value: Uint8Array) => {
      const some = writes.get(place) ?? [];
      some.push({ type: "put", key, value });
      writes.set(place, some);
    };
    for (const { key, value } of page) {
      const place = placeOf(key, value);
      if (place === null) continue;
      copied += 1;
      put(place, key, value);
      if (key.startsWith("link/")) {
        const { code, conversationId } = rows.invite.decode(key, value);
        put(DIRECTORY, keys.inviteAt(code), rows.conversationId.encode(conversationId));
      }
    }
    for (const [place, some] of writes) await at(place).batch(some, false);
  }
  await carryCrowds(source, at);
  const stamp = await source.get(keys.stamp);
  for (let folder = 0; folder < FOLDERS; folder++) {
    // Stamps go on from where they were.
    const value = stamp ?? rows.number.encode(0);
    await at(folder).batch([{ type: "put", key: keys.stamp, value }], false);
  }
  await target.directory.batch([{ type: "del", key: keys.probe }]);
  return copied;
}

/** What somebody found by a large group, they find in their inbox, at the same stamp. */
async function carryCrowds(source: KeyValue, at: (place: Place) => KeyValue): Promise<void> {
  const prefix = "crowd-of/";
  for (let from = prefix; ; ) {
    const page = await source.range({ from, to: `${prefix}~`, limit: PAGE_ROWS });
    for (const { key } of page) {
      const [, user, id] = key.split("/") as [string, UserId, ConversationId];
      const stamp = await numberAt(source, keys.crowdAt(id));
      const old = await numberAt(source, keys.inboxAt(user, id));
      if (stamp > old) await at(folderOf(user)).batch(noteWrites(user, id, old, stamp), false);
    }
    const last = page.at(-1);
    if (!last || page.length < PAGE_ROWS) return;
    from = `${last.key} `;
  }
}

async function numberAt(kv: KeyValue, key: string): Promise<number> {
  const stored = await kv.get(key);
  return stored ? rows.number.decode(key, stored) : 0;
}
