/** Naming somebody while one writes. */
import type { UserSummary } from "../../../shared/client-api.js";

/** What stands at the caret: an @ at the start of a word and what follows it. */
export interface MentionQuery {
  readonly prefix: string;
  /** Where the @ stands. */
  readonly from: number;
}

const MAX_SHOWN = 8;

export function mentionQuery(text: string, caret: number): MentionQuery | null {
  const match = /(?:^|[\s([{"'“‘])@([\p{L}\p{N}_]*)$/u.exec(text.slice(0, caret));
  const prefix = match?.[1];
  if (prefix === undefined) return null;
  return { prefix: prefix.toLowerCase(), from: caret - prefix.length - 1 };
}

/** By the start of the handle, or of a word of the name. */
export function matchingMembers<M extends UserSummary>(
  members: readonly M[],
  prefix: string,
): readonly M[] {
  const starts = (text: string) => text.toLowerCase().startsWith(prefix);
  return members
    .filter(({ handle, displayName }) => starts(handle) || displayName.split(/\s+/u).some(starts))
    .slice(0, MAX_SHOWN);
}

/** The text with the handle in place of what was typed of it, and where the caret then stands. */
export function withMention(
  text: string,
  query: MentionQuery,
  handle: string,
): { readonly text: string; readonly caret: number } {
  const end = query.from + 1 + query.prefix.length;
  const rest = text.slice(end);
  const inserted = `@${handle}${/^\s/.test(rest) ? "" : " "}`;
  const caret = query.from + handle.length + 2;
  return { text: text.slice(0, query.from) + inserted + rest, caret };
}
