/** The code that links a device, as people read and type it. */
import { normalPairingCode, PAIRING_CODE_LENGTH } from "../../../shared/pairing.js";

const SCHEME = "dovetail:";

/** ABCD-EFGH-JKMN: groups of four are what an eye carries from one screen to another. */
export const groupedCode = (code: string): string => code.match(/.{1,4}/g)?.join("-") ?? "";

/** What the QR code says: enough for a device that has never heard of this relay. */
export const linkAddress = (relay: string, code: string): string =>
  `${SCHEME}link?relay=${encodeURIComponent(relay)}&code=${code}`;

export interface TypedCode {
  readonly code: string;
  /** How many letters and digits are still to be typed; never below 0. */
  readonly missing: number;
  /** What no further typing mends; null when nothing is wrong. */
  readonly problem: string | null;
}

/** Whoever scanned the QR code with something else pastes what it says: that is taken as well. */
export function readCode(typed: string, relay: string): TypedCode {
  const address = typed.trim();
  if (!address.toLowerCase().startsWith(SCHEME)) return readLetters(typed);
  const query = new URLSearchParams(address.slice(address.indexOf("?") + 1));
  const theirs = query.get("relay") ?? "";
  const read = readLetters(query.get("code") ?? "");
  if (sameRelay(theirs, relay)) return read;
  return { ...read, problem: `This code is of another relay: ${theirs || "unknown"}.` };
}

function readLetters(typed: string): TypedCode {
  const code = normalPairingCode(typed);
  const missing = PAIRING_CODE_LENGTH - code.length;
  return { code, missing: Math.max(0, missing), problem: problemOf(typed, -missing) };
}

function problemOf(typed: string, over: number): string | null {
  const stranger = [...typed].find((character) => normalPairingCode(character).startsWith("?"));
  if (stranger !== undefined) return `“${stranger}” is never part of a code.`;
  return over > 0
    ? `A code has ${PAIRING_CODE_LENGTH} letters and digits: ${over} too many.`
    : null;
}

/** With and without a closing slash it is the same relay. */
function sameRelay(a: string, b: string): boolean {
  return URL.canParse(a) && URL.canParse(b) && new URL(a).href === new URL(b).href;
}

/** 4:09 */
export function countdown(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}
