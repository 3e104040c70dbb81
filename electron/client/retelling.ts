/** Tells anew what changed from aside: by another conversation, or by the time. Best effort. */
import { DovetailError } from "../../shared/errors.js";
import { type Origin, parseMessageId } from "../../shared/ids.js";
import { announce, type Core, putConversation, unchanged } from "./core.js";
import { lastVisible, messageAt } from "./history.js";
import type { Change } from "./journal.js";
import { readUpTo } from "./receipts.js";
import type { Conversation } from "./state.js";

const tried = (core: Core, change: Promise<void>): void => {
  change.catch((error: unknown) => {
    core.ports.log.warn("a change was not told", { code: DovetailError.from(error).code });
  });
};

export function retell(core: Core, conversation: Conversation, origin: Origin): void {
  const change = async (): Promise<Change<void>> => {
    const message = await messageAt(core, conversation, origin);
    if (!message) return unchanged(undefined);
    return {
      writes: [],
      apply: () => {
        core.events.emit("message.updated", message);
        announce(core, conversation);
      },
    };
  };
  tried(core, core.journal.run(change));
}

export function recount(core: Core, conversation: Conversation): void {
  const change = async (): Promise<Change<void>> => {
    const last = await lastVisible(core, conversation);
    const row = await readUpTo(core, conversation, conversation.row.readUpTo);
    // Right in memory also where the disk is full: what is stored is counted again at the next start.
    return {
      writes: [],
      apply: () => {
        conversation.row = row;
        conversation.lastShown = last;
        announce(core, conversation);
      },
    };
  };
  const store = () => ({
    writes: [putConversation(conversation.row)],
    durable: false,
    apply: () => {},
  });
  tried(
    core,
    core.journal.run(change).then(() => core.journal.run(store)),
  );
}

/**
 * What is hidden, has disappeared or was put back into a log was counted in a change of its own,
 * which a process that ended in between did not make.
 */
export function recountAfterStart(core: Core): void {
  const { conversations, hidden, blocks, endedCleanly } = core.state;
  const hiding = new Set([...hidden].map((id) => parseMessageId(id)?.conversationId));
  for (const conversation of conversations.values()) {
    const { row } = conversation;
    const { conversationId, kind, members, unread } = row;
    const blocking = kind === "direct" && members.some(({ userId }) => blocks.has(userId));
    const timed = conversation.timer !== null;
    const uncounted = !endedCleanly && row.readUpTo < row.upTo;
    if (uncounted || (unread > 0 && (blocking || timed || hiding.has(conversationId)))) {
      recount(core, conversation);
    }
  }
}
