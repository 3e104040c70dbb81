/** Invite links of groups: as they are read, and their bounds in words. */
import type { Invite } from "../../../shared/client-api.js";
import { readCode, type TypedCode } from "./pairing.js";
import { dayWords } from "./time.js";

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;

export const isInviteLink = (typed: string): boolean => /^\s*dovetail:join\?/i.test(typed);

/** A link or the code in it. Both kinds of code have one alphabet and one length. */
export function readInvite(typed: string, relay: string): TypedCode {
  if (!/^\s*dovetail:link\?/i.test(typed)) return readCode(typed, relay);
  return { code: "", missing: 0, problem: "This links a device; it leads to no group." };
}

/** Seconds; null for never. */
export const expiryChoices = [
  { seconds: 3_600, label: "1 hour" },
  { seconds: 86_400, label: "1 day" },
  { seconds: 604_800, label: "7 days" },
  { seconds: null, label: "Never" },
] as const;

/** Null for as often as one likes. */
export const usesChoices = [
  { uses: 1, label: "1 person" },
  { uses: 10, label: "10 people" },
  { uses: 100, label: "100 people" },
  { uses: null, label: "No limit" },
] as const;

/** How often a link was used and how long it lasts. */
export function inviteWords({ uses, maxUses, expiresAt }: Invite, now: number): string {
  const used = maxUses === null ? usedWords(uses) : `Used ${uses} of ${times(maxUses)}`;
  return `${used} · ${expiryWords(expiresAt, now)}`;
}

const times = (count: number): string => (count === 1 ? "1 time" : `${count} times`);

const usedWords = (uses: number): string => (uses === 0 ? "Not used yet" : `Used ${times(uses)}`);

function expiryWords(expiresAt: number | null, now: number): string {
  if (expiresAt === null) return "never expires";
  const left = expiresAt - now;
  if (left <= 0) return "expired";
  if (left < HOUR_MS) return `expires in ${Math.ceil(left / MINUTE_MS)} min`;
  if (left < 24 * HOUR_MS) return `expires in ${Math.round(left / HOUR_MS)} h`;
  return `expires on ${dayWords(expiresAt, now)}`;
}
