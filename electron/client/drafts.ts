/** Takes drafts to the other devices, when typing pauses. */
import { DovetailError } from "../../shared/errors.js";
import type { ConversationId } from "../../shared/ids.js";
import type { Timer } from "../../shared/runtime.js";
import type { Body } from "./content.js";
import type { Core } from "./core.js";
import { isUntold } from "./untold.js";

const PAUSE_MS = 2_000;
/** After a failure, as of a full disk. */
const AGAIN_MS = 30_000;
/** Seconds that the relay keeps a draft for devices that are not there. */
const DRAFT_TTL = 30 * 86_400;

export class Drafts {
  readonly #core: Core;
  readonly #queue: (body: () => Promise<Body | null>, ttl: number) => Promise<void>;
  readonly #timers = new Map<ConversationId, Timer>();
  #closed = false;

  constructor(core: Core, queue: (body: () => Promise<Body | null>, ttl: number) => Promise<void>) {
    this.#core = core;
    this.#queue = queue;
    // What was typed just before the last process ended.
    for (const { row, draft } of core.state.conversations.values()) {
      if (draft && isUntold(draft)) this.changed(row.conversationId);
    }
  }

  changed(conversationId: ConversationId): void {
    this.#tell(conversationId, PAUSE_MS);
  }

  #tell(conversationId: ConversationId, delayMs: number): void {
    this.#timers.get(conversationId)?.cancel();
    const timer = this.#core.ports.clock.after(delayMs, () => {
      this.#timers.delete(conversationId);
      // As it is when its turn comes: something may be typed until then. What another device said
      // meanwhile is not said again, for that would take the place of what is typed there.
      const draft = async (): Promise<Body | null> => {
        const { draft } = this.#core.state.conversation(conversationId);
        return draft && isUntold(draft)
          ? { type: "draft", conversationId, text: draft.text }
          : null;
      };
      this.#queue(draft, DRAFT_TTL).catch((error: unknown) => {
        const { code } = DovetailError.from(error);
        this.#core.ports.log.info("a draft stays on this device", { code });
        if (!this.#closed && !this.#timers.has(conversationId)) {
          this.#tell(conversationId, AGAIN_MS);
        }
      });
    });
    this.#timers.set(conversationId, timer);
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#timers.values()) timer.cancel();
  }
}
