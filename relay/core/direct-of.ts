import { type ConversationId, directConversationId, type UserId } from "../../shared/ids.js";
import type { Crypto } from "../../shared/runtime.js";
import type { ConversationKind } from "./ports.js";

/** The direct conversation of two users, or the id that it gets: the first that no group has. */
export async function directOf<C extends { readonly kind: ConversationKind }>(
  { sha256 }: Crypto,
  look: (id: ConversationId) => Promise<C | null>,
  a: UserId,
  b: UserId,
): Promise<{ readonly id: ConversationId; readonly there: C | null }> {
  for (let taken = 0; ; taken++) {
    const id = directConversationId(a, b, sha256, taken);
    const there = await look(id);
    if (there?.kind !== "group") return { id, there };
  }
}
