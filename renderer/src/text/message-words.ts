/** What is said about messages. */
import type { Message, Reaction } from "../../../shared/client-api.js";
import { emojiName } from "./emoji.js";
import { listWords, noticeWords } from "./notices.js";

/** More people than this are counted. */
const MAX_NAMED = 8;
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export const deletedWords = (mine: boolean): string =>
  mine ? "You deleted this message" : "This message was deleted";

export function reactionWords({ emoji, by }: Reaction, own: string | undefined): string {
  const names = by.map(({ handle, displayName }) => (handle === own ? "you" : displayName));
  const named = names.length > MAX_NAMED ? names.slice(0, MAX_NAMED - 1) : names;
  const rest = names.length - named.length;
  return `${emojiName(emoji)}: ${listWords(rest > 0 ? [...named, `${rest} more`] : named)}`;
}

/** One line for where a message is only mentioned. */
export function previewWords(message: Message, own: string): string {
  if (message.notice) return noticeWords(message, message.notice, own);
  return message.deleted ? deletedWords(message.mine) : message.text;
}

const counted = (count: number, unit: string): string =>
  `${count} ${unit}${count === 1 ? "" : "s"}`;

/** How long a message still stays. Rounded up: it never says that none is left while there is. */
export function remainingWords(expiresAt: number, now: number): string {
  const left = Math.max(0, expiresAt - now);
  const span =
    left > 2 * DAY
      ? counted(Math.ceil(left / DAY), "day")
      : left > 2 * HOUR
        ? counted(Math.ceil(left / HOUR), "hour")
        : counted(Math.max(1, Math.ceil(left / MINUTE)), "minute");
  return `Disappears in ${span}`;
}

export const timerChoices = [
  { seconds: 0, label: "Off" },
  { seconds: 86_400, label: "24 hours" },
  { seconds: 604_800, label: "7 days" },
  { seconds: 7_776_000, label: "90 days" },
] as const;

export const timerLabel = (seconds: number): string =>
  timerChoices.find((choice) => choice.seconds === seconds)?.label ?? "Off";
