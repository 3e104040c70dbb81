/** Pages of a conversation, wherever in its history. */
import type { Message, ValidParams } from "../../shared/client-api.js";
import type { Core } from "./core.js";
import { locate } from "./receipts.js";
import { keys, logRow, seqOfKey } from "./rows.js";
import type { Conversation } from "./state.js";
import { logMessage, tailMessage } from "./views.js";

/**
 * Costs the same whether the conversation has a hundred messages or a million.
 * @throws DovetailError `not_found`.
 */
export async function listMessages(
  core: Core,
  { conversationId, before, after, limit }: ValidParams<"messages.list">,
): Promise<Message[]> {
  const conversation = core.state.conversation(conversationId);
  const { tail } = conversation;
  if (after !== undefined) {
    const { seq, index } = await locate(core, conversation, after);
    const logged = await logPage(core, conversation, seq + 1, seq + limit);
    const rest = tail.slice(index + 1, index + 1 + limit - logged.length);
    return [...logged, ...rest.map((entry) => tailMessage(core.state, conversation.row, entry))];
  }
  const end = { seq: conversation.row.upTo, index: tail.length };
  if (before !== undefined) {
    const at = await locate(core, conversation, before);
    end.seq = at.index < 0 ? at.seq - 1 : at.seq;
    end.index = Math.max(at.index, 0);
  }
  const newest = tail.slice(Math.max(0, end.index - limit), end.index);
  const logged = await logPage(core, conversation, end.seq - (limit - newest.length) + 1, end.seq);
  return [...logged, ...newest.map((entry) => tailMessage(core.state, conversation.row, entry))];
}

async function logPage(
  core: Core,
  { row }: Conversation,
  first: number,
  last: number,
): Promise<Message[]> {
  const from = Math.max(1, first);
  const to = Math.min(last, row.upTo);
  if (from > to) return [];
  const rows = await core.ports.store.range({
    from: keys.log(row.conversationId, from),
    to: keys.log(row.conversationId, to + 1),
  });
  return rows.map(({ key, value }) =>
    logMessage(core.state, row, seqOfKey(key), logRow.decode(value)),
  );
}
