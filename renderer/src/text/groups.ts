/** What is said about groups. */
import type { Conversation } from "../../../shared/client-api.js";
import { listWords } from "./notices.js";

export const membersWords = (count: number): string =>
  count === 1 ? "1 member" : `${count} members`;

/** More people than this type without being named. */
const MAX_TYPING = 2;

/** Who types, by name; empty where nobody does. */
export function typingWords(names: readonly string[]): string {
  if (names.length === 0) return "";
  if (names.length > MAX_TYPING) return `${names.length} people are typing…`;
  return `${listWords(names)} ${names.length === 1 ? "is" : "are"} typing…`;
}

/** A conversation tells the first of its members; the others go by their handles. */
export const typingNames = (
  handles: readonly string[],
  { members }: Pick<Conversation, "members">,
): string[] =>
  handles.map(
    (handle) => members.find((member) => member.handle === handle)?.displayName ?? `@${handle}`,
  );

/** Whether one may add people to a group, make links to it and change what it is called. */
export const mayEdit = ({ role, restricted }: Conversation): boolean =>
  role === "admin" || (role === "member" && !restricted);
