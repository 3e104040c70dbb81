/** Tells the relay how far this user has come: receipts are cursors. */
import { DovetailError } from "../../shared/errors.js";
import type { ConversationId } from "../../shared/ids.js";
import type { Timer } from "../../shared/runtime.js";
import { backoffMs } from "./backoff.js";
import type { Core } from "./core.js";
import { moveMember } from "./receipts.js";
import type { RelayLink } from "./relay-link.js";

/** Messages come in flurries: one report for what arrives within this time. */
const GATHER_MS = 30;

export class Reports {
  readonly #core: Core;
  readonly #relay: RelayLink;
  /** One report a conversation is on its way; what moves meanwhile goes with the next. */
  readonly #reporting = new Set<ConversationId>();
  readonly #soon = new Map<ConversationId, Timer>();
  readonly #timers = new Set<Timer>();
  #failures = 0;

  constructor(core: Core, relay: RelayLink) {
    this.#core = core;
    this.#relay = relay;
  }

  connected(): void {
    this.#failures = 0;
    for (const id of this.#core.state.conversations.keys()) this.report(id);
  }

  /** Something was stored: to be told soon, with what follows it closely. */
  stored(id: ConversationId): void {
    if (!this.#reporting.has(id) && !this.#soon.has(id) && this.#cursors(id)) {
      this.#soon.set(
        id,
        this.#core.ports.clock.after(GATHER_MS, () => this.report(id)),
      );
    }
  }

  /** Tells what the relay does not know yet, if there is anything. */
  report(id: ConversationId): void {
    this.#soon.get(id)?.cancel();
    this.#soon.delete(id);
    if (this.#relay.connected && !this.#reporting.has(id) && this.#cursors(id)) void this.#send(id);
  }

  close(): void {
    for (const timer of [...this.#timers, ...this.#soon.values()]) timer.cancel();
  }

  /** What the relay does not know yet; null where there is nothing that anybody waits for. */
  #cursors(id: ConversationId): { deliveredUpTo: number; readUpTo: number } | null {
    const { state } = this.#core;
    const { row, heardUpTo } = state.conversation(id);
    const told = row.members.find((member) => member.userId === state.self.userId);
    // In a group that all others have left there is still to be read what they said.
    if (!told || (row.kind !== "group" && state.others(row).length === 0)) return null;
    const readUpTo = Math.min(row.readUpTo, row.upTo);
    if (heardUpTo <= told.deliveredUpTo && readUpTo <= told.readUpTo) return null;
    return { deliveredUpTo: row.upTo, readUpTo };
  }

  async #send(id: ConversationId): Promise<void> {
    this.#reporting.add(id);
    try {
      for (let cursors = this.#cursors(id); cursors; cursors = this.#cursors(id)) {
        // "Delivered" means that it is on disk here.
        await this.#core.journal.flush();
        await this.#relay.request("moveCursors", { conversationId: id, ...cursors });
        const moved = { userId: this.#core.state.self.userId, ...cursors };
        await this.#core.journal.run(() => moveMember(this.#core, id, moved));
      }
      this.#failures = 0;
    } catch (thrown) {
      this.#again(id, DovetailError.from(thrown));
    } finally {
      this.#reporting.delete(id);
    }
  }

  #again(id: ConversationId, error: DovetailError): void {
    if (error.code === "relay_unreachable") return;
    const { clock, random, log } = this.#core.ports;
    const wait = Math.max(backoffMs(++this.#failures, random.fraction()), error.retryAfterMs ?? 0);
    log.warn("a receipt was refused", { code: error.code, waitMs: wait });
    const timer = clock.after(wait, () => {
      this.#timers.delete(timer);
      this.report(id);
    });
    this.#timers.add(timer);
  }
}
