import type { ConversationId, DeviceId, UserId } from "../../../shared/ids.js";
import { sortable } from "../../../shared/key-value.js";
import { type Group, isMembershipN } from "../../../shared/membership.js";
import type { ConversationKind, LogChange, StoredCursor, StoredInvite } from "../../core/ports.js";
import { atLeast, encodeCursor } from "../log-commit.js";
import { rows } from "../rows.js";
import type { Note } from "./inbox.js";
import type { Cell } from "./segments.js";

/** What a change needs of the state before it. */
export interface Read {
  readonly kind: ConversationKind | null;
  readonly group: Group | null;
  readonly invite: StoredInvite | null;
  readonly cursors: ReadonlyMap<UserId, StoredCursor>;
}

/** Of the rows of a segment's state. Those from "z" on are not carried over into the next one. */
export const names = {
  conversation: "conversation",
  cursor: (user: UserId) => `cursor/${user}`,
  span: (user: UserId) => `span/${user}`,
  last: (device: DeviceId) => `last/${device}`,
  link: (code: string) => `link/${code}`,
  origin: (device: DeviceId, n: number) => `z/${device}/${sortable(n)}`,
};

export function cellsOf(change: LogChange, read: Read): Cell[] {
  const cells = new Map<string, Cell>();
  const put = (name: string, value: Uint8Array) => cells.set(name, { seq: 0, name, value });

  const kind = change.opens?.kind ?? read.kind;
  if (change.group && kind) {
    put(names.conversation, rows.conversation.encode({ kind, ...change.group }));
  }
  for (const [user, spans] of change.spans) put(names.span(user), rows.spans.encode(spans));
  for (const [user, cursor] of change.cursors) {
    put(names.cursor(user), encodeCursor(atLeast(cursor, read.cursors.get(user))));
  }
  if (read.invite) {
    const { code, uses } = read.invite;
    put(names.link(code), rows.invite.encode({ ...read.invite, uses: uses + 1 }));
  }
  for (const { seq, deviceId, n } of change.entries) {
    put(names.origin(deviceId, n), rows.origin.encode({ seq, at: null }));
    if (!isMembershipN(n)) put(names.last(deviceId), rows.number.encode(n));
  }
  const entries = change.entries.map((entry) => ({
    seq: entry.seq,
    name: "",
    value: rows.entry.encode(entry),
  }));
  return [...cells.values(), ...entries];
}

/** Whom it concerns. A crowd is told one by one: only a user's own partition can order its stamps. */
export function pendingOf(change: LogChange, read: Read, version: number): Uint8Array {
  const members = new Map<UserId, boolean | null>();
  if (change.events > 0) {
    for (const user of change.noted) members.set(user, null);
    const crowd = change.crowd && (change.group ?? read.group);
    for (const { userId } of crowd?.members ?? []) members.set(userId, null);
  }
  for (const [user, spans] of change.spans) members.set(user, spans.at(-1)?.to === null);
  const users = [...members].map(([userId, member]) => ({ userId, member }));
  return rows.pending.encode({ version, users });
}

export function noteOf(conversationId: ConversationId, pending: Uint8Array, events: number): Note {
  const { version, users } = rows.pending.decode(`pending/${conversationId}`, pending);
  return {
    conversationId,
    version,
    users: new Map(users.map(({ userId, member }) => [userId, member])),
    events,
  };
}
