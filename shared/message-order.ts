import type { Message } from "./client-api.js";

/**
 * The order of a conversation (DESIGN: one order): by seq, then those without one by hybrid logical
 * clock; ties, which two devices can produce, by message id.
 */
export function compareMessages(
  a: Pick<Message, "seq" | "clock" | "messageId">,
  b: Pick<Message, "seq" | "clock" | "messageId">,
): number {
  if (a.seq !== null && b.seq !== null) return a.seq - b.seq;
  if (a.seq !== null) return -1;
  if (b.seq !== null) return 1;
  if (a.clock !== b.clock) return a.clock < b.clock ? -1 : 1;
  return a.messageId < b.messageId ? -1 : Number(a.messageId > b.messageId);
}
