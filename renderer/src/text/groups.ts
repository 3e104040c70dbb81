/** What is said about groups. */
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
