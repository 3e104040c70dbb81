/** What conversations and their settings are called. */
import type { Conversation } from "../../../shared/client-api.js";
import { dayWords } from "./time.js";

const HOUR = 3_600_000;
/** As the contract writes it. */
const FOR_EVER = 8.64e15;

export function conversationTitle({ kind, title }: Conversation): string {
  if (kind === "notes") return "Notes to yourself";
  // Of a group that one was just added to the name comes with its history.
  return title === "" && kind === "group" ? "Group" : title;
}

export const isMuted = ({ mutedUntil }: Conversation, now: number): boolean =>
  mutedUntil !== null && mutedUntil > now;

export const muteChoices = [
  { id: "8h", label: "For 8 hours", until: (now: number) => now + 8 * HOUR },
  { id: "1w", label: "For a week", until: (now: number) => now + 7 * 24 * HOUR },
  { id: "always", label: "Always", until: () => FOR_EVER },
] as const;

export function mutedWords(until: number, now: number): string {
  if (until >= FOR_EVER) return "Muted";
  const clock = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
  const day = dayWords(until, now);
  return `Muted until ${day === "today" ? "" : `${day}, `}${clock.format(until)}`;
}
