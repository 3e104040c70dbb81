import { describe, expect, it } from "vitest";
import { firstUnreadOf, toRows } from "../../renderer/src/history/rows.js";
import { message } from "./message.js";

const noon = new Date(2026, 5, 1, 12).getTime();
const MINUTE = 60_000;
const at = (n: number, minutes: number, mine = false) =>
  message(n, { sentAt: noon + minutes * MINUTE, mine, from: mine ? "bob" : "alice" });

describe("rows of a conversation", () => {
  it("groups by sender and minute", () => {
    const rows = toRows([at(1, 0), at(2, 0.5), at(3, 1), at(4, 1, true)], null);
    expect(rows.map((row) => [row.firstOfGroup, row.lastOfGroup])).toEqual([
      [true, false],
      [false, true],
      [true, true],
      [true, true],
    ]);
  });

  it("begins each local day with a separator", () => {
    const lateEvening = message(1, { sentAt: new Date(2026, 5, 1, 23, 59, 59).getTime() });
    const midnight = message(2, { sentAt: new Date(2026, 5, 2).getTime() });
    const rows = toRows([lateEvening, midnight, message(3, { sentAt: midnight.sentAt })], null);
    expect(rows.map(({ newDay }) => newDay)).toEqual([true, true, false]);
  });

  it("ends a group at the unread line", () => {
    const rows = toRows([at(1, 0), at(2, 0)], at(2, 0).messageId);
    expect(rows[0]).toMatchObject({ lastOfGroup: true, unreadLine: false });
    expect(rows[1]).toMatchObject({ firstOfGroup: true, unreadLine: true });
  });

  it("finds the first unread message among the others' own", () => {
    const messages = [at(1, 0), at(2, 1), at(3, 2, true), at(4, 3)];
    expect(firstUnreadOf(messages, 0)).toBeNull();
    expect(firstUnreadOf(messages, 2)).toBe(messages[1]?.messageId);
    expect(firstUnreadOf(messages, 50)).toBeNull();
  });
});
