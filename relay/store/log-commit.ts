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

/** What a change writes into the tables that stand with the log. */
export function logWrites(change: LogChange, before: Before): Write[] {
  const { conversationId: id, entries } = change;
  const writes: Write[] = [];
  const put = (key: string, value: Uint8Array) => writes.push({ type: "put", key, value });

  const kind = change.opens?.kind ?? before.kind;
  if (change.group && kind) {
    put(keys.conversation(id), rows.conversation.encode({ kind, ...change.group }));
  }
  for (const [user, spans] of change.spans) put(keys.spans(id, user), rows.spans.encode(spans));
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
  return writes;
}

/**
 * What it writes into the inboxes of those whom it concerns. `inboxAt`: the stamp of each noted user's
 * row for the conversation. `lastStamp` is the newest of the stamps that the change takes.
 */
export function inboxWrites(
  change: LogChange,
  inboxAt: ReadonlyMap<UserId, number>,
  lastStamp: number,
): Write[] {
  const { conversationId: id, spans, crowd, noted, events } = change;
  const writes: Write[] = [];
  for (const [user, parts] of spans) {
    writes.push(...memberWrites(user, id, parts.at(-1)?.to === null));
  }
  const value = rows.conversationId.encode(id);
  for (const user of crowd?.newTo ?? []) {
    writes.push({ type: "put", key: keys.crowdOf(user, id), value });
  }
  if (crowd) {
    writes.push({ type: "put", key: keys.crowdAt(id), value: rows.number.encode(lastStamp) });
  }
  if (events > 0) {
    for (const user of noted) {
      writes.push(...noteWrites(user, id, inboxAt.get(user) ?? 0, lastStamp));
    }
  }
  return writes;
}

/** That a user is a member of a group from now on, or is not any more. */
export function memberWrites(user: UserId, id: ConversationId, member: boolean): Write[] {
  const key = keys.groupOf(user, id);
  if (member) return [{ type: "put", key, value: rows.conversationId.encode(id) }];
  return [
    { type: "del", key },
    { type: "del", key: keys.crowdOf(user, id) },
  ];
}

/** A user's one row of a conversation moves to the stamp of its newest change. */
export function noteWrites(user: UserId, id: ConversationId, old: number, stamp: number): Write[] {
  const row: Write = {
    type: "put",
    key: keys.inbox(user, stamp),
    value: rows.conversationId.encode(id),
  };
  const at: Write = { type: "put", key: keys.inboxAt(user, id), value: rows.number.encode(stamp) };
  return old > 0 ? [{ type: "del", key: keys.inbox(user, old) }, row, at] : [row, at];
}
