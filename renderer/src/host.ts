/** The one place where the renderer meets what it runs in. */
import type { DovetailBridge } from "../../shared/bridge.js";
import type { ClientEvent, Method, Params, Results } from "../../shared/client-api.js";
import type { ConversationId } from "../../shared/ids.js";
import { BrowserHost, takeSecret } from "./browser-host.js";
import { failure, type Host } from "./host-contract.js";

declare global {
  interface Window {
    readonly dovetail?: DovetailBridge;
  }
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
  // Gone before it was ever there: a page that has shown nothing yet best begins again.
  host.onBack(() => location.reload());
  await host.opened;
  return host;
}
