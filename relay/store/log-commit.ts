import type { ConversationId, UserId } from "../../shared/ids.js";
import type { Write } from "../../shared/key-value.js";
import { isMembershipN } from "../../shared/membership.js";
import { MAX_CURSOR_DEVICES } from "../core/bounds.js";
import { endOf } from "../core/lifetime.js";
import type { ConversationKind, LogChange, StoredCursor, StoredInvite } from "../core/ports.js";
import { keys, rows } from "./rows.js";

/** What a change needs to know of the store before it can be written. */
export interface Before {
  readonly exists: boolean;
  readonly head: number;
  readonly cursors: ReadonlyMap<UserId, StoredCursor>;
  /** The kind of the conversation that is there already. */
  readonly kind: ConversationKind | null;
  /** The one of which the change takes a use. */
  readonly invite: StoredInvite | null;
  /** Stamp of each noted user's inbox row for the conversation; 0 where there is none. */
  readonly inboxAt: ReadonlyMap<UserId, number>;
}

export function atLeast(a: StoredCursor, b: StoredCursor | undefined): StoredCursor {
  const devices = new Map(b?.devices);
  for (const [device, upTo] of a.devices) {
    devices.set(device, Math.max(upTo, devices.get(device) ?? 0));
  }
  return {
    deliveredUpTo: Math.max(a.deliveredUpTo, b?.deliveredUpTo ?? 0),
    readUpTo: Math.max(a.readUpTo, b?.readUpTo ?? 0),
    devices,
  };
}

/** Of too many devices those that were heard of first are forgotten. */
export const encodeCursor = ({ devices, ...cursor }: StoredCursor): Uint8Array =>
  rows.cursor.encode({
    ...cursor,
    devices: [...devices]
      .slice(-MAX_CURSOR_DEVICES)
      .map(([deviceId, deliveredUpTo]) => ({ deviceId, deliveredUpTo })),
  });

/** Whether the store is as the change expects it. */
export function holds(change: LogChange, before: Before): boolean {
  const { invite } = change;
  return (
    before.head === change.expectedHead &&
    before.exists === !change.opens &&
    (!invite || before.invite?.uses === invite.uses)
  );
}

/** A change as rows. `lastStamp` is the newest of the stamps that it takes. */
export function writesOf(change: LogChange, before: Before, lastStamp: number): Write[] {
  const { conversationId: id, entries } = change;
  const writes: Write[] = [];
  const put = (key: string, value: Uint8Array) => writes.push({ type: "put", key, value });

  const kind = change.opens?.kind ?? before.kind;
  if (change.group && kind) {
    put(keys.conversation(id), rows.conversation.encode({ kind, ...change.group }));
  }
  for (const [user, spans] of change.spans) {
    put(keys.spans(id, user), rows.spans.encode(spans));
    const key = keys.groupOf(user, id);
    if (spans.at(-1)?.to === null) put(key, rows.conversationId.encode(id));
    else {
      writes.push({ type: "del", key }, { type: "del", key: keys.crowdOf(user, id) });
    }
  }
  if (before.invite) {
    const { code, uses } = before.invite;
    put(keys.invite(code), rows.invite.encode({ ...before.invite, uses: uses + 1 }));
  }
  const lastN = new Map<string, number>();
  for (const entry of entries) {
    put(keys.entry(id, entry.seq), rows.entry.encode(entry));
    const origin = { seq: entry.seq, at: null };
    put(keys.origin(id, entry.deviceId, entry.n), rows.origin.encode(origin));
    const dueAt = endOf(entry);
    if (dueAt !== null) {
      put(keys.expiry(dueAt, id, entry.seq), rows.number.encode(entry.seq));
    }
    if (!isMembershipN(entry.n)) lastN.set(keys.lastN(id, entry.deviceId), entry.n);
  }
  for (const [key, n] of lastN) put(key, rows.number.encode(n));
  if (entries.length > 0) {
    put(keys.head(id), rows.number.encode(change.expectedHead + entries.length));
  }
  for (const [user, cursor] of change.cursors) {
    put(keys.cursor(id, user), encodeCursor(atLeast(cursor, before.cursors.get(user))));
  }
  for (const user of change.crowd?.newTo ?? []) {
    put(keys.crowdOf(user, id), rows.conversationId.encode(id));
  }
  if (change.crowd) put(keys.crowdAt(id), rows.number.encode(lastStamp));
  if (change.events > 0) note(id, change.noted, before.inboxAt, lastStamp, writes);
  return writes;
}

function note(
  id: ConversationId,
  users: readonly UserId[],
  inboxAt: ReadonlyMap<UserId, number>,
  stamp: number,
  writes: Write[],
): void {
  for (const user of users) {
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
