/** Where a message is stored. */

import { DovetailError } from "../../shared/errors.js";
import type { ConversationId, MessageId, Origin } from "../../shared/ids.js";
import { parseMessageId } from "../../shared/ids.js";
import type { Core } from "./core.js";
import type { Found, Logged } from "./found.js";
import { keys, logRow, originRow } from "./rows.js";
import { type Conversation, sameOrigin } from "./state.js";

/** The entry at a place of the log; null where it is not stored. */
export async function logAt(core: Core, id: ConversationId, seq: number): Promise<Logged | null> {
  const { store } = core.ports;
  const shown = await store.get(keys.shown(id, seq));
  const stored = shown ?? (await store.get(keys.quiet(id, seq)));
  return stored
    ? { kind: "log", seq, row: logRow.decode(stored), shown: shown !== undefined }
    : null;
}

export async function find(
  core: Core,
  conversation: Conversation,
  origin: Origin,
): Promise<Found | null> {
  const entry = conversation.tail.find((known) => sameOrigin(known, origin));
  if (entry) return { kind: "tail", entry };
  const { conversationId } = conversation.row;
  const seq = await core.ports.store.get(keys.origin(conversationId, origin));
  return seq ? logAt(core, conversationId, originRow.decode(seq)) : null;
}

/** @throws DovetailError `not_found`. */
export async function findMessage(
  core: Core,
  messageId: MessageId,
): Promise<{ conversation: Conversation; origin: Origin; found: Found }> {
  const parsed = parseMessageId(messageId);
  const conversation = parsed && core.state.conversations.get(parsed.conversationId);
  const found = conversation && (await find(core, conversation, parsed.origin));
  if (!found) throw new DovetailError("not_found", "There is no such message here.");
  return { conversation, origin: parsed.origin, found };
}
