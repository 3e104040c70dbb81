/** Drafts that no other device was told of yet. */
import type { DraftRow } from "./rows.js";

/** After the writing that it follows and before any later one: what no other device was told yet. */
const UNTOLD = "*";

export const isUntold = ({ writing }: DraftRow): boolean => writing.endsWith(UNTOLD);

/** The writing of the last draft that other devices were told of or told; empty for none. */
export const toldWriting = (draft: DraftRow): string =>
  isUntold(draft) ? draft.writing.slice(0, -UNTOLD.length) : draft.writing;

/** The writing of what is typed now. */
export const untold = (draft: DraftRow | null): string =>
  draft && isUntold(draft) ? draft.writing : `${draft?.writing ?? ""}${UNTOLD}`;
