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
  /** Those who type in each conversation, in the order in which they began. */
  readonly #typing = new SvelteMap<ConversationId, readonly string[]>();
  readonly #fading = new Map<string, ReturnType<typeof setTimeout>>();

  constructor(host: Host) {
    this.#host = host;
  }

  of(handle: string | undefined): PresenceState | null {
    return handle === undefined ? null : (this.#states.get(handle) ?? null);
  }

  /** The handles of those who type there. */
  typingIn(conversationId: ConversationId): readonly string[] {
    return this.#typing.get(conversationId) ?? [];
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
    const key = `${conversationId} ${handle}`;
    clearTimeout(this.#fading.get(key));
    this.#fading.delete(key);
    const others = this.typingIn(conversationId).filter((other) => other !== handle);
    if (!active) {
      if (others.length > 0) this.#typing.set(conversationId, others);
      else this.#typing.delete(conversationId);
      return;
    }
    // Whoever goes on typing keeps their place.
    if (!this.typingIn(conversationId).includes(handle)) {
      this.#typing.set(conversationId, [...others, handle]);
    }
    this.#fading.set(
      key,
      setTimeout(
        () => this.typingChanged({ conversationId, handle, active: false }),
        TYPING_FADES_MS,
      ),
    );
  }
}
