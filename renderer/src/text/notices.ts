/** What happened in a conversation, in words; whoever reads it is "You". */
import type { Message, Notice, UserSummary } from "../../../shared/client-api.js";

/** More people than this are counted, not named: a line stays a line. */
const MAX_NAMED = 3;
const DAY_SECONDS = 86_400;

export function noticeWords(message: Message, notice: Notice, own: string): string {
  const who = message.from === own ? "You" : message.fromName;
  switch (notice.type) {
    case "created":
      return `${who} created the group`;
    case "left":
      return `${who} left`;
    case "joined":
      return `${who} joined by an invite link`;
    case "added":
      return `${who} added ${peopleWords(notice.people, own)}`;
    case "removed":
      return `${who} removed ${peopleWords(notice.people, own)}`;
    case "promoted":
      return `${who} made ${peopleWords(notice.people, own)} ${adminWords(notice.people)}`;
    case "demoted":
      return `${who} dismissed ${peopleWords(notice.people, own)} as ${adminWords(notice.people)}`;
    case "restricted":
      return notice.restricted
        ? `${who} let only admins add people and edit the group`
        : `${who} let every member add people and edit the group`;
    case "renamed":
      return `${who} changed the name to “${notice.name}”`;
    case "described":
      return `${who} changed the description`;
    case "pictured":
      return `${who} changed the picture`;
    case "timer":
      return timerWords(who, notice.seconds);
  }
}

function timerWords(who: string, seconds: number): string {
  if (seconds === 0) return `${who} turned disappearing messages off`;
  return `${who} set new messages to disappear after ${spanWords(seconds)}`;
}

/** A lifetime as the choices offer it: under two days in hours, else in days. */
const spanWords = (seconds: number): string =>
  seconds < 2 * DAY_SECONDS
    ? `${Math.round(seconds / 3600)} hours`
    : `${Math.round(seconds / DAY_SECONDS)} days`;

/** Their names; the handle tells people of one name apart, and whom one meets here first. */
function peopleWords(people: readonly UserSummary[], own: string): string {
  const names = people.map(({ handle }) => (handle === own ? "you" : `@${handle}`));
  const named = names.length > MAX_NAMED ? names.slice(0, MAX_NAMED - 1) : names;
  const rest = names.length - named.length;
  return listWords(rest > 0 ? [...named, `${rest} more`] : named);
}

const adminWords = (people: readonly UserSummary[]): string =>
  people.length === 1 ? "an admin" : "admins";

/** "a", "a and b", "a, b and c". */
export function listWords(words: readonly string[]): string {
  if (words.length < 2) return words[0] ?? "";
  return `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}
