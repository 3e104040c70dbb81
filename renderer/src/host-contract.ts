import type { ClientApi } from "../../shared/client-api.js";
import { DovetailError, isErrorCode } from "../../shared/errors.js";
import type { ConversationId } from "../../shared/ids.js";

export interface Host extends ClientApi {
  readonly kind: "electron" | "browser";
  /** The local host went away; calls fail until it is back. Never in Electron. */
  onLost(listener: () => void): void;
  /** It is back, and everything shown may be out of date. */
  onBack(listener: () => void): void;
  /** A native notification about this conversation was clicked. */
  onOpenConversation(listener: (conversationId: ConversationId) => void): void;
}

/** An error that crossed a boundary as data. */
export function failure(code: unknown, message: string, retryAfterMs?: number): DovetailError {
  return new DovetailError(isErrorCode(code) ? code : "internal", message, { retryAfterMs });
}
