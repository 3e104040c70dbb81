/** Marks agree in whatever order the entries come that set them, and however often. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Body } from "../../electron/client/content.js";
import { marked, NO_MARKS, writingOf } from "../../electron/client/marks.js";
import type { DeviceId, UserId } from "../../shared/ids.js";

const users = ["a", "b", "c"].map((letter) => letter.repeat(32) as UserId);
const devices = ["1", "2", "3"].map((digit) => digit.repeat(32) as DeviceId);
const author = users[0] as UserId;
const target = { deviceId: devices[0] as DeviceId, n: 1 };

const body: fc.Arbitrary<Body> = fc.oneof(
  fc.record({ type: fc.constant("edit" as const), target: fc.constant(target), text: fc.string() }),
  fc.record({
    type: fc.constant("react" as const),
    target: fc.constant(target),
    emoji: fc.constantFrom("", "👍", "🎉"),
  }),
  fc.record({ type: fc.constant("erase" as const), target: fc.constant(target) }),
);

/** Every writing is another one: a device's clock gives no reading twice. */
const changes = fc.uniqueArray(
  fc.record({
    who: fc.nat(2),
    wall: fc.integer({ min: 1, max: 50 }),
    admin: fc.boolean(),
    body,
  }),
  { selector: ({ who, wall }) => `${who}.${wall}`, maxLength: 12 },
);

const apply = (all: readonly { who: number; wall: number; admin: boolean; body: Body }[]) =>
  all.reduce(
    (marks, { who, wall, admin, body: change }) =>
      marked(marks, author, change, {
        userId: users[who] as UserId,
        writing: writingOf({ wall, counter: 0 }, devices[who] as DeviceId),
        admin,
      }),
    NO_MARKS,
  );

test("any order and any doubling gives the same marks", () => {
  fc.assert(
    fc.property(
      changes.chain((all) =>
        fc.tuple(
          fc.constant(all),
          fc.shuffledSubarray(all, { minLength: all.length }),
          fc.subarray(all),
        ),
      ),
      ([all, shuffled, again]) => {
        expect(apply([...shuffled, ...again])).toEqual(apply(all));
      },
    ),
  );
});

test("nobody but the author edits, nobody but the author and admins delete", () => {
  fc.assert(
    fc.property(changes, (all) => {
      const others = all.map((change) => ({ ...change, who: 1 + (change.who % 2), admin: false }));
      expect(apply(others)).toMatchObject({ edit: null, deleted: false });
    }),
  );
});

test("what was deleted stays so, and nothing of it is kept", () => {
  fc.assert(
    fc.property(changes, changes, (before, after) => {
      const erased = { who: 0, wall: 25, admin: false, body: { type: "erase" as const, target } };
      expect(apply([...before, erased, ...after])).toEqual({
        edit: null,
        deleted: true,
        reactions: [],
      });
    }),
  );
});

test("the latest edit is shown, and one reaction a person", () => {
  const edit = (wall: number, text: string) => ({
    who: 0,
    wall,
    admin: false,
    body: { type: "edit" as const, target, text },
  });
  expect(apply([edit(2, "second"), edit(1, "first")]).edit?.text).toBe("second");
  const react = (wall: number, emoji: string) => ({
    who: 1,
    wall,
    admin: false,
    body: { type: "react" as const, target, emoji },
  });
  const { reactions } = apply([react(3, "🎉"), react(2, "👍")]);
  expect(reactions.map(({ emoji }) => emoji)).toEqual(["🎉"]);
});
