/**
 * What the Electron preload puts into the renderer's world as `window.dovetail`. Errors cross as
 * values, because a rejection loses everything but its message on the way over the context bridge.
 */
import type { ClientEvent } from "./client-api.js";
import type { ConversationId } from "./ids.js";

export interface BridgeError {
  /** A code of shared/errors.ts. */
  readonly code: string;
  readonly message: string;
  readonly retryAfterMs?: number;
}

export type BridgeReply =
  | { readonly ok: true; readonly result: unknown }
  | { readonly ok: false; readonly error: BridgeError };

export interface DovetailBridge {
  call(method: string, params: unknown): Promise<BridgeReply>;
  /** Returns a function that ends the subscription. */
  subscribe(listener: (event: ClientEvent) => void): () => void;
  /** Tells which conversation a clicked native notification was about. */
  onOpenConversation(listener: (conversationId: ConversationId) => void): () => void;
}
