/** How far history has moved between the account's devices, in words. */
import type { Transfer } from "../../../shared/client-api.js";

const MINUTE = 60_000;

const countFormat = new Intl.NumberFormat();

/** What is going on, without how far it is. */
export const transferTitle = ({ direction }: Transfer, device: string): string =>
  direction === "receiving"
    ? `Getting your messages from ${device}`
    : `Giving ${device} your messages`;

/** Rough on purpose: an estimate to the second would only jump. */
function remaining(ms: number): string {
  if (ms < MINUTE) return "less than a minute left";
  const minutes = Math.round(ms / MINUTE);
  if (minutes === 1) return "about a minute left";
  if (minutes < 90) return `about ${minutes} minutes left`;
  return `about ${Math.round(minutes / 60)} hours left`;
}

export function transferState({ done, total, remainingMs }: Transfer): string {
  const counts = `${countFormat.format(done)} of ${countFormat.format(total)}`;
  return remainingMs === null || done >= total ? counts : `${counts}, ${remaining(remainingMs)}`;
}

/** Whole percents; never all while something is missing. */
export const transferPercent = ({ done, total }: Transfer): number =>
  total <= 0 ? 0 : Math.min(100, Math.floor((100 * done) / total));
