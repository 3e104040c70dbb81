/** The one place where the renderer meets what it runs in. */
import type { DovetailBridge } from "../../shared/bridge.js";
import type { ClientApi, ClientEvent, Method, Params, Results } from "../../shared/client-api.js";
import { DovetailError, isErrorCode } from "../../shared/errors.js";
import type { ConversationId } from "../../shared/ids.js";
import { BrowserHost, takeSecret } from "./browser-host.js";

export interface Host extends ClientApi {
  readonly kind: "electron" | "browser";
  /** The local host went away; calls fail until it is back. Never in Electron. */
  onLost(listener: () => void): void;
  /** It is back, and everything shown may be out of date. */
  onBack(listener: () => void): void;
  /** A native notification about this conversation was clicked. */
  onOpenConversation(listener: (conversationId: ConversationId) => void): void;
}

declare global {
  interface Window {
    readonly dovetail?: DovetailBridge;
  }
}

/** An error that crossed a boundary as data. */
export function failure(code: unknown, message: string, retryAfterMs?: number): DovetailError {
  return new DovetailError(isErrorCode(code) ? code : "internal", message, { retryAfterMs });
}

class ElectronHost implements Host {
  readonly kind = "electron";
  readonly #bridge: DovetailBridge;

  constructor(bridge: DovetailBridge) {
    this.#bridge = bridge;
  }

  async call<M extends Method>(method: M, params: Params<M>): Promise<Results[M]> {
    const reply = await this.#bridge.call(method, params);
    if (reply.ok) return reply.result as Results[M];
    throw failure(reply.error.code, reply.error.message, reply.error.retryAfterMs);
  }

  subscribe(listener: (event: ClientEvent) => void): () => void {
    return this.#bridge.subscribe(listener);
  }

  onLost(): void {}
  onBack(): void {}

  onOpenConversation(listener: (conversationId: ConversationId) => void): void {
    this.#bridge.onOpenConversation(listener);
  }
}

export async function connectHost(): Promise<Host> {
  if (window.dovetail) return new ElectronHost(window.dovetail);
  const host = new BrowserHost(`ws://${location.host}/api`, takeSecret());
  await host.opened;
  return host;
}
