import { SvelteMap } from "svelte/reactivity";
import type { Events, PresenceState } from "../../../shared/client-api.js";
import type { ConversationId } from "../../../shared/ids.js";
import type { Host } from "../host-contract.js";

/** Handles in one presence.get. */
const MAX_HANDLES = 64;
/** Typing that was never said to have stopped, for instance because the relay went away. */
const TYPING_FADES_MS = 8_000;

/** Who is there and who is typing. */
export class Presence {
  readonly #host: Host;
  readonly #states = new SvelteMap<string, PresenceState>();
  readonly #typing = new SvelteMap<ConversationId, string>();
  readonly #fading = new Map<ConversationId, ReturnType<typeof setTimeout>>();

  constructor(host: Host) {
    this.#host = host;
  }

  of(handle: string | undefined): PresenceState | null {
    return handle === undefined ? null : (this.#states.get(handle) ?? null);
  }

  /** The handle of whoever types there. */
  typingIn(conversationId: ConversationId): string | null {
    return this.#typing.get(conversationId) ?? null;
  }

  async ask(handles: readonly string[]): Promise<void> {
    for (let i = 0; i < handles.length; i += MAX_HANDLES) {
      const some = handles.slice(i, i + MAX_HANDLES);
      for (const state of await this.#host.call("presence.get", { handles: some })) {
        this.changed(state);
      }
    }
  }

  changed(state: PresenceState): void {
    this.#states.set(state.handle, state);
  }

  typingChanged({ conversationId, handle, active }: Events["typing.changed"]): void {
    clearTimeout(this.#fading.get(conversationId));
    this.#fading.delete(conversationId);
    if (!active) {
      this.#typing.delete(conversationId);
      return;
    }
    this.#typing.set(conversationId, handle);
    this.#fading.set(
      conversationId,
      setTimeout(() => this.#typing.delete(conversationId), TYPING_FADES_MS),
    );
  }
}
