import type { Message } from "../../shared/client-api.js";
import type { ConversationId, DeviceId } from "../../shared/ids.js";
import { messageIdOf } from "../../shared/ids.js";

const conversationId = "c".repeat(32) as ConversationId;
const deviceId = "d".repeat(32) as DeviceId;

/** The n-th message of a log. */
export const message = (n: number, change: Partial<Message> = {}): Message => ({
  messageId: messageIdOf(conversationId, { deviceId, n }),
  conversationId,
  seq: n,
  clock: String(n).padStart(8, "0"),
  from: "alice",
  fromName: "Alice",
  mine: false,
  text: `message ${n}`,
  notice: null,
  replyTo: null,
  forwarded: false,
  edited: false,
  deleted: false,
  mentions: [],
  reactions: [],
  starred: false,
  pinned: false,
  expiresAt: null,
  sentAt: Date.UTC(2026, 5, 1, 12) + n * 1_000,
  state: "delivered",
  path: "relay",
  ...change,
});
