import type { ClientEvent, Method, Params, Results } from "../../shared/client-api.js";
import type { Host } from "./host-contract.js";

/** Milliseconds: three frames of a screen, which nobody sees. */
const GATHER_MS = 50;

/**
 * Hands on the first event at once and those that follow closely together: when a long history
 * arrives, the page is laid out a few times a second and not for every message. Nothing overtakes:
 * an answer comes after all events that came before it.
 */
export class EventFlurry {
  readonly #listener: (event: ClientEvent) => void;
  #waiting: ClientEvent[] = [];
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(listener: (event: ClientEvent) => void) {
    this.#listener = listener;
  }

  add(event: ClientEvent): void {
    if (this.#timer !== null) {
      this.#waiting.push(event);
      return;
    }
    this.#listener(event);
    this.#gather();
  }

  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    // Before handing on: what that brings about waits its turn.
    this.#gather();
    for (const event of waiting) this.#listener(event);
  }

  #gather(): void {
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.flush();
    }, GATHER_MS);
  }
}

/** The host, with its events in flurries. It has one subscriber. */
export function inFlurries(host: Host): Host {
  let flurry: EventFlurry | null = null;
  return {
    kind: host.kind,
    async call<M extends Method>(method: M, params: Params<M>): Promise<Results[M]> {
      try {
        return await host.call(method, params);
      } finally {
        flurry?.flush();
      }
    },
    subscribe(listener) {
      const gathering = new EventFlurry(listener);
      flurry = gathering;
      return host.subscribe((event) => gathering.add(event));
    },
    onLost: (listener) => host.onLost(listener),
    onBack: (listener) => host.onBack(listener),
    onOpenConversation: (listener) => host.onOpenConversation(listener),
  };
}
