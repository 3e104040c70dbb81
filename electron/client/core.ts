import type { Origin, UserId } from "../../shared/ids.js";
import type { Write } from "../../shared/key-value.js";
import type { Emitter } from "./events.js";
import type { HybridClock } from "./hlc.js";
import type { Journal } from "./journal.js";
import type { ClientOptions, ClientPorts } from "./ports.js";
import {
  type ConversationRow,
  conversationRow,
  keys,
  stampRow,
  type TailRow,
  tailRow,
} from "./rows.js";
import type { ClientState, Conversation } from "./state.js";
import { conversationView, isListed } from "./views.js";

/** What the parts of the client core share. */
export interface Core {
  readonly ports: ClientPorts;
  readonly options: ClientOptions;
  readonly state: ClientState;
  readonly journal: Journal;
  readonly events: Emitter;
  readonly hlc: HybridClock;
  /** Tells a message anew, if it is shown. */
  retell(conversation: Conversation, origin: Origin): void;
  /** Something is not shown any more: finds the last message and counts the unread again. */
  recount(conversation: Conversation): void;
  /** Somebody was blocked or is not any more. */
  blockChanged(user: UserId): void;
}

export const putConversation = (row: ConversationRow): Write => ({
  type: "put",
  key: keys.conversation(row.conversationId),
  value: conversationRow.encode(row),
});

export const putTail = (id: ConversationRow["conversationId"], row: TailRow): Write => ({
  type: "put",
  key: keys.tail(id, row),
  value: tailRow.encode(row),
});

/** Nothing where the position does not move. */
export const putStamp = (core: Core, stamp: number | undefined): Write[] =>
  stamp !== undefined && stamp > core.state.stamp
    ? [{ type: "put", key: keys.stamp, value: stampRow.encode(stamp) }]
    : [];

export function reachStamp(core: Core, stamp: number | undefined): void {
  core.state.stamp = Math.max(core.state.stamp, stamp ?? 0);
}

export function announce(core: Core, conversation: Conversation): void {
  if (!isListed(conversation)) return;
  core.events.emit("conversation.changed", conversationView(core.state, conversation));
}

/** A change that turned out to be none. */
export const unchanged = <T>(value: T) => ({ writes: [], apply: () => value });
