import { keys, rows } from "../../relay/store/rows.js";
import type { ConversationId, UserId } from "../../shared/ids.js";
import { fromSortable, under } from "../../shared/key-value.js";
import { isMembershipN, membershipN } from "../../shared/membership.js";
import type { SequencedEntry } from "../../shared/protocol.js";
import type { MemoryDisk } from "./memory-key-value.js";
import { type LogPlace, placeOf } from "./promises.js";

export type Logged = SequencedEntry & LogPlace;

/** From the entry that added somebody to the one that removed them; both are theirs. */
export interface Stay {
  readonly from: number;
  readonly to: number;
}

/** Of rows that were read before: a disk gives the same bytes again until they are written anew. */
const known = new WeakMap<Uint8Array, Logged>();

export const readLog = (disk: MemoryDisk, id: ConversationId): Logged[] =>
  disk.certain(under(keys.entry(id, 0).slice(0, -11))).map(({ key, value }) => {
    const before = known.get(value);
    if (before) return before;
    const logged = loggedOf(id, key, value);
    known.set(value, logged);
    return logged;
  });

export function loggedOf(id: ConversationId, key: string, value: Uint8Array): Logged {
  const seq = fromSortable(key.slice(key.lastIndexOf("/") + 1));
  const entry = { seq, ...rows.entry.decode(key, value) };
  return { ...entry, ...placeOf(id, entry) };
}

/** By the log's own changes of members. */
export function staysOf(log: readonly Logged[]): Map<UserId, readonly Stay[]> {
  const stays = new Map<UserId, Stay[]>();
  for (const { seq, membership } of log) {
    for (const { userId } of membership?.adds ?? []) {
      const known = stays.get(userId) ?? [];
      stays.set(userId, known);
      if (known.at(-1)?.to !== Number.POSITIVE_INFINITY) {
        known.push({ from: seq, to: Number.POSITIVE_INFINITY });
      }
    }
    for (const userId of membership?.removes ?? []) {
      const known = stays.get(userId) ?? [];
      const last = known.pop();
      if (last) known.push({ ...last, to: Math.min(last.to, seq) });
    }
  }
  return stays;
}

export const isIn = (stays: readonly Stay[], seq: number): boolean =>
  stays.some(({ from, to }) => from <= seq && seq <= to);

/** The stay that has not ended. */
export const current = (stays: readonly Stay[]): Stay | undefined =>
  stays.find(({ to }) => to === Number.POSITIVE_INFINITY);

/** Each change builds on the one before, and all entries were written by somebody who was there. */
export function epochFaults(log: readonly Logged[]): string[] {
  const changes = log.filter(({ membership }) => membership !== null);
  const stays = staysOf(log);
  return [
    ...changes
      .filter(({ membership, n }, i) => membership?.epoch !== i + 1 || n !== membershipN(i + 1))
      .map(({ seq }, i) => `the change at ${seq} is not the one of epoch ${i + 1}`),
    ...log
      .filter(({ userId, seq }) => !isIn(stays.get(userId) ?? [], seq))
      .map(({ seq }) => `whoever wrote ${seq} was not a member`),
    ...log
      .filter(({ n, membership }) => isMembershipN(n) !== (membership !== null))
      .map(({ seq }) => `${seq} has the number of something else`),
  ];
}

/** What the relay's own tables say of a group beside its log. */
export function tableFaults(
  disk: MemoryDisk,
  id: ConversationId,
  log: readonly Logged[],
): string[] {
  const faults: string[] = [];
  const stays = staysOf(log);
  const group = groupRow(disk, id);
  const epoch = log.filter(({ membership }) => membership).length;
  if (group?.epoch !== epoch) faults.push(`is in epoch ${group?.epoch}, its log in ${epoch}`);
  const there = [...stays].filter(([, each]) => current(each)).map(([user]) => user);
  const told = group?.members.map(({ userId }) => userId) ?? [];
  if (told.toSorted().join() !== there.toSorted().join())
    faults.push("has other members than its log");
  if (told.length > 0 && !group?.members.some(({ admin }) => admin)) faults.push("has no admin");
  for (const [user, each] of stays) {
    const key = keys.spans(id, user);
    const [row] = disk.certain({ from: key, to: `${key}\0` });
    const spans = row ? rows.spans.decode(key, row.value) : [];
    const same =
      spans.length === each.length &&
      spans.every(({ from, to }, i) => {
        const stay = each[i] as Stay;
        return from === stay.from && (to ?? Number.POSITIVE_INFINITY) === stay.to;
      });
    if (!same) faults.push(`remembers another membership of ${user} than its log`);
  }
  return faults;
}

export function groupRow(disk: MemoryDisk, id: ConversationId) {
  const key = keys.conversation(id);
  const [row] = disk.certain({ from: key, to: `${key}\0` });
  return row ? rows.conversation.decode(key, row.value) : null;
}
