/**
 * What a change of a group's members does. Relay and clients run the same code: the relay to decide
 * whether it takes a change, the clients to follow those that stand in the log.
 */
import { DovetailError } from "./errors.js";
import type { UserId } from "./ids.js";
import { MAX_GROUP_MEMBERS } from "./limits.js";

/**
 * A membership entry's n. It has numbers of its own, beyond those of all other entries of its device,
 * because it is not queued behind them: it is accepted in its epoch or not at all.
 */
export const membershipN = (epoch: number): number => MEMBERSHIP_N + epoch;
export const isMembershipN = (n: number): boolean => n >= MEMBERSHIP_N;
const MEMBERSHIP_N = 2 ** 40;

export interface GroupMember {
  readonly userId: UserId;
  readonly admin: boolean;
}

export interface Group {
  readonly epoch: number;
  readonly restricted: boolean;
  /** In the order in which they joined. */
  readonly members: readonly GroupMember[];
}

export interface GroupChange {
  readonly adds: readonly UserId[];
  readonly removes: readonly UserId[];
  readonly promotes: readonly UserId[];
  readonly demotes: readonly UserId[];
  readonly restricted: boolean | null;
}

export const NO_CHANGE: GroupChange = {
  adds: [],
  removes: [],
  promotes: [],
  demotes: [],
  restricted: null,
};

const refused = (message?: string): never => {
  throw new DovetailError("not_allowed", message);
};

/**
 * Whether that user may make that change: admins everything; members add people unless the group is
 * restricted, and leave.
 * @throws DovetailError `not_a_member`, `not_allowed`, `not_found`, `group_full`.
 */
export function checkChange(group: Group, author: UserId, change: GroupChange): void {
  const by = group.members.find(({ userId }) => userId === author);
  if (!by) throw new DovetailError("not_a_member");
  const { adds, removes, promotes, demotes, restricted } = change;
  if (!by.admin) {
    const onlyLeaves = removes.every((user) => user === author);
    const mayAdd = adds.length === 0 || !group.restricted;
    if (!onlyLeaves || !mayAdd || promotes.length + demotes.length > 0 || restricted !== null) {
      refused();
    }
  }
  const known = (user: UserId) => group.members.some(({ userId }) => userId === user);
  if (![...removes, ...promotes, ...demotes].every(known)) {
    throw new DovetailError("not_found", "That person is not a member of the group.");
  }
  checkSize(group, adds);
}

/** @throws DovetailError `group_full`. */
export function checkSize(group: Group, adds: readonly UserId[]): void {
  const ids = new Set([...group.members.map(({ userId }) => userId), ...adds]);
  if (ids.size > MAX_GROUP_MEMBERS) throw new DovetailError("group_full");
}

/**
 * The group after a change. A group never lacks an admin: when the last one goes, whoever has been a
 * member for longest becomes one.
 */
export function changed(group: Group, change: GroupChange): Group {
  const removed = new Set(change.removes);
  const kept = group.members
    .filter(({ userId }) => !removed.has(userId))
    .map(({ userId, admin }) => ({
      userId,
      admin: (admin || change.promotes.includes(userId)) && !change.demotes.includes(userId),
    }));
  const there = new Set(kept.map(({ userId }) => userId));
  const added = [...new Set(change.adds)]
    .filter((userId) => !there.has(userId))
    .map((userId) => ({ userId, admin: change.promotes.includes(userId) }));
  const members = [...kept, ...added];
  const [eldest] = members;
  const led = members.some(({ admin }) => admin);
  return {
    epoch: group.epoch + 1,
    restricted: change.restricted ?? group.restricted,
    members: led || !eldest ? members : [{ ...eldest, admin: true }, ...members.slice(1)],
  };
}
