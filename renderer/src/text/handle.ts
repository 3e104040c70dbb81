import { HANDLE_PATTERN } from "../../../shared/ids.js";

const MIN = 3;
const MAX = 32;

/** As the contract reads it: an @ in front and capitals are forgiven. */
export const normalHandle = (typed: string): string => typed.trim().replace(/^@/, "").toLowerCase();

/** What is wrong with a handle, in words; null when nothing is. */
export function handleProblem(handle: string): string | null {
  if (HANDLE_PATTERN.test(handle)) return null;
  if (handle === "") return "Choose a handle.";
  const stranger = [...handle].find((character) => !/[a-z0-9_]/.test(character));
  if (stranger !== undefined) {
    const name = /\s/u.test(stranger) ? "A space" : `“${stranger}”`;
    return `${name} cannot be part of a handle: use a to z, 0 to 9 and _.`;
  }
  if (!/^[a-z]/.test(handle)) return "A handle starts with a letter.";
  if (handle.length < MIN)
    return `At least ${MIN} characters, please: ${MIN - handle.length} more.`;
  return `At most ${MAX} characters, please: ${handle.length - MAX} fewer.`;
}
