import type { UserId } from "../../shared/ids.js";
import type { ConversationState } from "../../shared/protocol.js";
import { MAX_PAGE_MEMBERS } from "./bounds.js";
import type { Conversations } from "./conversations.js";
import type { LogStore } from "./ports.js";

/** Conversations of a page that are looked at together. */
const LOOKS_AT_ONCE = 16;

/** A page of what changed for a user, read from the inbox: its cost follows the changes alone. */
export async function changesFor(
  user: UserId,
  after: number,
  limit: number,
  logs: LogStore,
  conversations: Conversations,
): Promise<{ conversations: ConversationState[]; upTo: number; more: boolean }> {
  const wanted = Math.max(1, limit);
  // One more than wanted tells whether there is more.
  const found = await logs.changes(user, after, wanted + 1);
  const states: ConversationState[] = [];
  // A client that is ahead has seen changes that were lost with the store: it is told how far back.
  let upTo = found.length > 0 ? after : Math.min(after, await logs.newestStamp(user));
  let members = 0;
  for await (const { stamp, conversation } of lookedAt(found.slice(0, wanted), conversations)) {
    if (conversation) {
      members += conversation.has(user) ? conversation.members.length : 0;
      if (members > MAX_PAGE_MEMBERS && states.length > 0) {
        return { conversations: states, upTo, more: true };
      }
      states.push(await conversations.state(conversation, user));
    }
    upTo = stamp;
  }
  return { conversations: states, upTo, more: found.length > wanted };
}

/** Some at once, for a store that takes its time over each. */
async function* lookedAt(changes: Awaited<ReturnType<LogStore["changes"]>>, from: Conversations) {
  for (let i = 0; i < changes.length; i += LOOKS_AT_ONCE) {
    const some = changes.slice(i, i + LOOKS_AT_ONCE);
    const found = await Promise.all(some.map(({ conversationId }) => from.look(conversationId)));
    for (const [j, { stamp }] of some.entries()) yield { stamp, conversation: found[j] ?? null };
  }
}
