import { expect, it } from "vitest";
import { followed } from "../../electron/client/membership.js";
import type { ConversationRow, LogRow, MemberRow } from "../../electron/client/rows.js";
import type { ConversationId, UserId } from "../../shared/ids.js";

const [alice, bob] = ["a", "b"].map((letter) => letter.repeat(32) as UserId) as [UserId, UserId];
const member = (userId: UserId): MemberRow => ({
  userId,
  deliveredUpTo: 0,
  readUpTo: 0,
  admin: userId === alice,
});
const row = (epoch: number, members: readonly MemberRow[]) =>
  ({
    conversationId: "c".repeat(32) as ConversationId,
    kind: "group",
    epoch,
    restricted: false,
    members,
  }) as ConversationRow;
const addsBob = {
  membership: {
    epoch: 3,
    adds: [{ userId: bob, handle: "bob", displayName: "bob" }],
    removes: [],
    promotes: [],
    demotes: [],
    restricted: null,
  },
} as unknown as LogRow;

it("the log tells who is in a group from where all of them are known", () => {
  const after = followed(row(2, [member(alice)]), addsBob, 7);
  expect(after).toMatchObject({ epoch: 3, members: [{ userId: alice }, { userId: bob }] });
  expect(after?.members[1]).toMatchObject({ deliveredUpTo: 6, readUpTo: 6, admin: false });
});

it("it does not where the members of before were never told: that is for the relay to say", () => {
  expect(followed(row(2, []), addsBob, 7)).toBeNull();
  expect(followed(row(1, [member(alice)]), addsBob, 7)).toBeNull();
});
