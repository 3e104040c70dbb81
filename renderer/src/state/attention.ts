import type { ConversationId } from "../../../shared/ids.js";
import type { Host } from "../host-contract.js";

/** While the person uses the window, the core is told this often; it passes that on as seldom. */
const REPEAT_MS = 30_000;
const USES = ["focus", "blur", "pointerdown", "keydown"] as const;

/** Tells the core what the person has in front, so that no device alerts to what they see. */
export class Attention {
  readonly #host: Host;
  readonly #alerts: () => boolean;
  readonly #gone = new AbortController();
  #conversationId: ConversationId | null = null;
  /** Null until there is an account. */
  #told: string | null = null;
  #toldAt = 0;

  /** `alerts` says whether notifications can be shown here. */
  constructor(host: Host, alerts: () => boolean) {
    this.#host = host;
    this.#alerts = alerts;
    const { signal } = this.#gone;
    for (const use of USES) window.addEventListener(use, () => this.tell(), { signal });
    document.addEventListener("visibilitychange", () => this.tell(), { signal });
  }

  /** Another conversation is open, or none. */
  open(id: ConversationId | null): void {
    this.#conversationId = id;
    this.tell();
  }

  /** The core knows nothing of before: it, or the account, is new. */
  again(): void {
    this.#told = "";
    this.tell();
  }

  tell(): void {
    if (this.#told === null) return;
    const active = document.hasFocus() && !document.hidden;
    const conversationId = active ? this.#conversationId : null;
    const use = { conversationId, active, alerts: this.#alerts() };
    const now = performance.now();
    const told = JSON.stringify(use);
    if (told === this.#told && !(active && now - this.#toldAt >= REPEAT_MS)) return;
    this.#told = told;
    this.#toldAt = now;
    // Best effort: without it the core alerts once too often, and the next use tells it.
    this.#host.call("attention.set", use).catch(() => {
      if (this.#told === told) this.#told = "";
    });
  }

  close(): void {
    this.#gone.abort();
  }
}
