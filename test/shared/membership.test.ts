import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ErrorCode } from "../../shared/errors.js";
import type { UserId } from "../../shared/ids.js";
import { MAX_GROUP_MEMBERS } from "../../shared/limits.js";
import {
  changed,
  checkChange,
  checkSize,
  type Group,
  type GroupChange,
  isMembershipN,
  membershipN,
  NO_CHANGE,
} from "../../shared/membership.js";

const user = (i: number): UserId => i.toString(16).padStart(32, "0") as UserId;
const people = Array.from({ length: 8 }, (_, i) => user(i));
const some = fc.uniqueArray(fc.constantFrom(...people), { maxLength: 4 });
const anyChange: fc.Arbitrary<GroupChange> = fc.record({
  adds: some,
  removes: some,
  promotes: some,
  demotes: some,
  restricted: fc.option(fc.boolean(), { nil: null }),
});
const ids = (group: Group): UserId[] => group.members.map(({ userId }) => userId);
const NOBODY: Group = { epoch: 0, restricted: false, members: [] };
/** Any group that changes can lead to. */
const anyGroup = fc
  .array(anyChange, { maxLength: 6 })
  .map((changes) => changes.reduce(changed, NOBODY));

function refusal(group: Group, author: UserId, change: Partial<GroupChange>): ErrorCode | null {
  try {
    checkChange(group, author, { ...NO_CHANGE, ...change });
    return null;
  } catch (error) {
    return (error as { code: ErrorCode }).code;
  }
}

describe("a change of members", () => {
  it("begins the next epoch and leaves an admin wherever somebody is left", () => {
    fc.assert(
      fc.property(anyGroup, anyChange, (group, change) => {
        const after = changed(group, change);
        expect(after.epoch).toBe(group.epoch + 1);
        expect(new Set(ids(after)).size).toBe(after.members.length);
        if (after.members.length > 0) expect(after.members.some(({ admin }) => admin)).toBe(true);
      }),
    );
  });

  it("has exactly those in it who stayed or came, those who stayed in their old order", () => {
    fc.assert(
      fc.property(anyGroup, anyChange, (group, change) => {
        const stayed = ids(group).filter((id) => !change.removes.includes(id));
        const came = change.adds.filter((id) => !stayed.includes(id));
        expect(ids(changed(group, change))).toEqual([...stayed, ...came]);
      }),
    );
  });

  it("makes whoever has been there for longest an admin when the last one goes", () => {
    const group = changed(NOBODY, {
      ...NO_CHANGE,
      adds: people.slice(0, 3),
      promotes: [user(1)],
    });
    const after = changed(group, { ...NO_CHANGE, removes: [user(1)] });
    expect(after.members).toEqual([
      { userId: user(0), admin: true },
      { userId: user(2), admin: false },
    ]);
  });
});

describe("rights", () => {
  it("nobody outside changes anything, whatever it is", () => {
    fc.assert(
      fc.property(anyGroup, anyChange, fc.constantFrom(...people), (group, change, author) => {
        fc.pre(!ids(group).includes(author));
        expect(refusal(group, author, change)).toBe("not_a_member");
      }),
    );
  });

  it("what a plain member is allowed takes no one else out, and changes no rights", () => {
    const author = user(3);
    const seldom = fc.oneof(
      { weight: 4, arbitrary: fc.constant([]) },
      { weight: 1, arbitrary: some },
    );
    const modest: fc.Arbitrary<GroupChange> = fc.record({
      adds: some,
      removes: fc.constantFrom([], [author], [user(5)], [author, user(5)]),
      promotes: seldom,
      demotes: seldom,
      restricted: fc.constantFrom(null, null, null, true, false),
    });
    fc.assert(
      fc.property(fc.boolean(), modest, (restricted, change) => {
        const all = { ...NO_CHANGE, adds: people.slice(0, 6), promotes: [user(0)], restricted };
        const group = changed(NOBODY, all);
        if (refusal(group, author, change) !== null) return;
        const after = changed(group, change);
        expect(after.restricted).toBe(restricted);
        for (const { userId, admin } of group.members) {
          if (userId === author) continue;
          expect(after.members.find((member) => member.userId === userId)?.admin).toBe(admin);
        }
        if (restricted) expect(after.members.length).toBeLessThanOrEqual(group.members.length);
      }),
      { numRuns: 500 },
    );
  });

  it("an admin may do all of it, to members", () => {
    const group = changed(NOBODY, { ...NO_CHANGE, adds: people.slice(0, 3), promotes: [user(0)] });
    expect(refusal(group, user(0), { removes: [user(1)], promotes: [user(2)] })).toBeNull();
    expect(refusal(group, user(0), { restricted: true, demotes: [user(0)] })).toBeNull();
    expect(refusal(group, user(0), { removes: [user(7)] })).toBe("not_found");
    expect(refusal(group, user(0), { promotes: [user(7)] })).toBe("not_found");
  });

  it("a group takes as many as it may have and no more", () => {
    const full = Array.from({ length: MAX_GROUP_MEMBERS }, (_, i) => user(i));
    const group = changed(NOBODY, { ...NO_CHANGE, adds: full });
    expect(refusal(group, user(0), { adds: [user(5)] })).toBeNull();
    expect(refusal(group, user(0), { adds: [user(MAX_GROUP_MEMBERS)] })).toBe("group_full");
    expect(() => checkSize(NOBODY, [...full, user(MAX_GROUP_MEMBERS)])).toThrow();
  });
});

it("membership entries are numbered apart from all others", () => {
  fc.assert(
    fc.property(fc.nat(), fc.nat({ max: 2 ** 31 - 1 }), (epoch, n) => {
      expect(isMembershipN(membershipN(epoch))).toBe(true);
      expect(isMembershipN(n)).toBe(false);
      expect(membershipN(epoch + 1)).toBe(membershipN(epoch) + 1);
    }),
  );
});
