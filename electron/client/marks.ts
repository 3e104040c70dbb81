/**
 * What later entries make of a message. Every mark is a register that the latest writing wins, or
 * a deletion that nothing takes back: so devices agree in whatever order the entries reach them,
 * and one that comes twice changes nothing.
 */
import type { DeviceId, UserId } from "../../shared/ids.js";
import type { Body } from "./content.js";
import { type ClockReading, clockText } from "./hlc.js";
import type { Marks } from "./rows.js";

/** Whoever wrote something, and when: as text that compares as the writings do. */
export const writingOf = (clock: ClockReading, device: DeviceId): string =>
  `${clockText(clock)}.${device}`;

export const NO_MARKS: Marks = { edit: null, deleted: false, reactions: [] };
export const DELETED: Marks = { edit: null, deleted: true, reactions: [] };

export interface Writer {
  readonly userId: UserId;
  readonly writing: string;
  /** Whether the writer is an admin of the group. */
  readonly admin: boolean;
}

/** The marks after a change by somebody of a message by `author`; the same ones where it changes nothing. */
export function marked(before: Marks, author: UserId, body: Body, by: Writer): Marks {
  if (before.deleted) return before;
  switch (body.type) {
    case "edit": {
      const newer = !before.edit || by.writing > before.edit.writing;
      if (by.userId !== author || !newer) return before;
      return { ...before, edit: { writing: by.writing, text: body.text } };
    }
    case "erase":
      return by.userId === author || by.admin ? DELETED : before;
    case "react": {
      const { userId, writing } = by;
      const known = before.reactions.find((reaction) => reaction.userId === userId);
      if (known && known.writing >= writing) return before;
      const others = before.reactions.filter((reaction) => reaction !== known);
      const reactions = [...others, { userId, writing, emoji: body.emoji }];
      return { ...before, reactions: reactions.sort((a, b) => (a.userId < b.userId ? -1 : 1)) };
    }
    default:
      return before;
  }
}
