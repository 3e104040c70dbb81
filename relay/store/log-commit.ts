import type { ConversationId, UserId } from "../../shared/ids.js";
import type { Write } from "../../shared/key-value.js";
import type { Cursor, LogChange } from "../core/ports.js";
import { keys, rows } from "./rows.js";

/** What a change needs to know of the store before it can be written. */
export interface Before {
  readonly exists: boolean;
  readonly head: number;
  readonly cursors: ReadonlyMap<UserId, Cursor>;
  /** Stamp of each member's inbox row for the conversation; 0 where there is none. */
  readonly inboxAt: ReadonlyMap<UserId, number>;
}

const atLeast = (a: Cursor, b: Cursor | undefined): Cursor => ({
  deliveredUpTo: Math.max(a.deliveredUpTo, b?.deliveredUpTo ?? 0),
  readUpTo: Math.max(a.readUpTo, b?.readUpTo ?? 0),
});

/** A change as rows. `lastStamp` is the newest of the stamps that it takes. */
export function writesOf(change: LogChange, before: Before, lastStamp: number): Write[] {
  const { conversationId: id, entries } = change;
  const writes: Write[] = [];
  const put = (key: string, value: Uint8Array) => writes.push({ type: "put", key, value });

  if (change.opens) {
    put(
      keys.conversation(id),
      rows.conversation.encode({ kind: change.opens.kind, members: change.members }),
    );
  }
  const lastN = new Map<string, number>();
  for (const entry of entries) {
    put(keys.entry(id, entry.seq), rows.entry.encode(entry));
    put(keys.origin(id, entry.deviceId, entry.n), rows.number.encode(entry.seq));
    lastN.set(keys.lastN(id, entry.deviceId), entry.n);
  }
  for (const [key, n] of lastN) put(key, rows.number.encode(n));
  if (entries.length > 0) {
    put(keys.head(id), rows.number.encode(change.expectedHead + entries.length));
  }
  for (const [user, cursor] of change.cursors) {
    put(keys.cursor(id, user), rows.cursor.encode(atLeast(cursor, before.cursors.get(user))));
  }
  if (change.events > 0) note(id, change.members, before.inboxAt, lastStamp, writes);
  return writes;
}

function note(
  id: ConversationId,
  members: readonly UserId[],
  inboxAt: ReadonlyMap<UserId, number>,
  stamp: number,
  writes: Write[],
): void {
  for (const user of members) {
    const old = inboxAt.get(user) ?? 0;
    if (old > 0) writes.push({ type: "del", key: keys.inbox(user, old) });
    writes.push({
      type: "put",
      key: keys.inbox(user, stamp),
      value: rows.conversationId.encode(id),
    });
    writes.push({ type: "put", key: keys.inboxAt(user, id), value: rows.number.encode(stamp) });
  }
}
