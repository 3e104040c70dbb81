import type { ClientEvent, EventName, Events } from "../../shared/client-api.js";
import type { Log } from "../../shared/runtime.js";

/** Hands the core's events to whoever listens. A listener that throws hurts nobody else. */
export class Emitter {
  readonly #listeners = new Set<(event: ClientEvent) => void>();
  readonly #log: Log;

  constructor(log: Log) {
    this.#log = log;
  }

  subscribe(listener: (event: ClientEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  emit<E extends EventName>(event: E, data: Events[E]): void {
    for (const listener of this.#listeners) {
      try {
        listener({ event, data } as ClientEvent);
      } catch (error) {
        this.#log.error("a listener failed", { event, error: String(error) });
      }
    }
  }
}
