/** Pages of a conversation, wherever in its history. */
import type { Message, ValidParams } from "../../shared/client-api.js";
import type { Core } from "./core.js";
import { find } from "./find.js";
import type { Found } from "./found.js";
import { locate } from "./receipts.js";
import { keys, logRow, seqOfKey } from "./rows.js";
import type { Conversation, sameOrigin, TailEntry } from "./state.js";
import { expiryOf, messageOf } from "./views.js";

/**
 * A conversation at one moment. While a page is read from the store entries get their places; with
 * some of a page from before and some from after that, one would be there twice or not at all.
 */
interface View {
  readonly conversation: Conversation;
  readonly upTo: number;
  readonly tail: readonly TailEntry[];
}

const viewOf = (conversation: Conversation): View => ({
  conversation,
  upTo: conversation.row.upTo,
  tail: [...conversation.tail],
});

/**
 * Costs the same whether the conversation has a hundred messages or a million.
 * @throws DovetailError `not_found`.
 */
export async function listMessages(
  core: Core,
  { conversationId, before, after, around, limit }: ValidParams<"messages.list">,
): Promise<Message[]> {
  const conversation = core.state.conversation(conversationId);
  const view = viewOf(conversation);
  const page = await pageOf(core, view, { before, after, around }, limit);
  return page.map((found) => messageOf(core.state, conversation, found));
}

async function pageOf(
  core: Core,
  view: View,
  ends: Pick<ValidParams<"messages.list">, "before" | "after" | "around">,
  limit: number,
): Promise<Found[]> {
  if (ends.around !== undefined) {
    const half = Math.floor(limit / 2);
    const at = await locate(core, view.conversation, ends.around, view);
    const earlier = await pageBefore(core, view, at, half);
    const later = await pageAfter(core, view, earlierOf(at), limit - earlier.length);
    return [...earlier, ...later];
  }
  if (ends.after !== undefined) {
    const at = await locate(core, view.conversation, ends.after, view);
    return pageAfter(core, view, at, limit);
  }
  const at =
    ends.before === undefined
      ? endOf(view)
      : await locate(core, view.conversation, ends.before, view);
  return pageBefore(core, view, at, limit);
}

/** In the log: `seq`, with −1 for `index`. In the tail: `index`, with the end of the log for `seq`. */
interface Place {
  readonly seq: number;
  readonly index: number;
}

const endOf = ({ upTo, tail }: View): Place => ({ seq: upTo + 1, index: tail.length });

/** Just before it, so that it is the first of what stands after. */
const earlierOf = ({ seq, index }: Place): Place =>
  index < 0 ? { seq: seq - 1, index } : { seq, index: index - 1 };

async function pageAfter(
  core: Core,
  { conversation, upTo, tail }: View,
  { seq, index }: Place,
  limit: number,
): Promise<Found[]> {
  const { conversationId } = conversation.row;
  const logged: Found[] = [];
  for (let from = seq + 1; logged.length < limit && from <= upTo; ) {
    const rows = await core.ports.store.range({
      from: keys.shown(conversationId, from),
      to: keys.shown(conversationId, upTo + 1),
      limit: limit - logged.length,
    });
    if (rows.length === 0) break;
    logged.push(...visible(core, conversation, rows.map(loggedOf)));
    from = seqOfKey((rows.at(-1) as { key: string }).key) + 1;
  }
  const waiting = visible(core, conversation, linesOf(tail.slice(index + 1)));
  return [...logged, ...waiting.slice(0, limit - logged.length)];
}

async function pageBefore(
  core: Core,
  { conversation, upTo, tail }: View,
  { seq, index }: Place,
  limit: number,
): Promise<Found[]> {
  const { conversationId } = conversation.row;
  const inTail = index >= 0;
  const waiting = inTail ? visible(core, conversation, linesOf(tail.slice(0, index))) : [];
  const page = limit > 0 ? waiting.slice(-limit) : [];
  for (let to = inTail ? upTo + 1 : seq; page.length < limit && to > 1; ) {
    const rows = await core.ports.store.range({
      from: keys.shown(conversationId, 0),
      to: keys.shown(conversationId, to),
      reverse: true,
      limit: limit - page.length,
    });
    const last = rows.at(-1);
    if (!last) break;
    page.unshift(...visible(core, conversation, rows.map(loggedOf).reverse()));
    to = seqOfKey(last.key);
  }
  return page;
}

export const loggedOf = ({ key, value }: { key: string; value: Uint8Array }): Found => ({
  kind: "log",
  seq: seqOfKey(key),
  row: logRow.decode(value),
  shown: true,
});

const linesOf = (tail: readonly TailEntry[]): Found[] =>
  tail.filter(({ shown }) => shown).map((entry) => ({ kind: "tail", entry }));

/** Without what was deleted here, is of a blocked person, or should have disappeared by now. */
export function visible(core: Core, { row }: Conversation, found: readonly Found[]): Found[] {
  const now = core.ports.clock.now();
  return found.filter((each) => {
    const entry = each.kind === "log" ? each.row : each.entry;
    const expiresAt = expiryOf(core.state, each);
    return !core.state.isHidden(row, entry) && (expiresAt === null || expiresAt > now);
  });
}

/** The last message at or before that place of the log, in the form in which the state keeps it. */
export async function lastVisible(
  core: Core,
  conversation: Conversation,
): Promise<Conversation["lastShown"]> {
  const end = { seq: conversation.row.upTo + 1, index: -1 };
  const [last] = await pageBefore(core, viewOf(conversation), end, 1);
  return last?.kind === "log" ? last : null;
}

/** One message by what names it. */
export async function messageAt(
  core: Core,
  conversation: Conversation,
  origin: Parameters<typeof sameOrigin>[0],
): Promise<Message | null> {
  const found = await find(core, conversation, origin);
  const shown = found && (found.kind === "log" ? found.shown : found.entry.shown);
  if (!shown || visible(core, conversation, [found]).length === 0) return null;
  return messageOf(core.state, conversation, found);
}
