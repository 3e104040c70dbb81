/** The code that links a device, as people read and type it. */
import { normalPairingCode, PAIRING_CODE_LENGTH } from "../../../shared/pairing.js";

/** ABCD-EFGH-JKMN: groups of four are what an eye carries from one screen to another. */
export const groupedCode = (code: string): string => code.match(/.{1,4}/g)?.join("-") ?? "";

/** What the QR code says: enough for a device that has never heard of this relay. */
export const linkAddress = (relay: string, code: string): string =>
  `dovetail:link?relay=${encodeURIComponent(relay)}&code=${code}`;

/** A foreign character anywhere is an error at once; a code that is only short is not yet one. */
export function codeProblem(typed: string): string | null {
  const stranger = [...typed].find((character) => normalPairingCode(character).startsWith("?"));
  if (stranger !== undefined) return `“${stranger}” is never part of a code.`;
  const over = normalPairingCode(typed).length - PAIRING_CODE_LENGTH;
  return over > 0
    ? `A code has ${PAIRING_CODE_LENGTH} letters and digits: ${over} too many.`
    : null;
}

/** How many letters and digits are still to be typed. */
export const missingOfCode = (typed: string): number =>
  PAIRING_CODE_LENGTH - normalPairingCode(typed).length;

/** 4:09 */
export function countdown(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}
