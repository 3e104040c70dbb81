/** Keeps the stored logs level with the relay's: what changed while away, what is pushed, what is missing. */
import { DovetailError } from "../../shared/errors.js";
import type { ConversationId } from "../../shared/ids.js";
import { MAX_CHANGES, MAX_ENTRIES } from "../../shared/limits.js";
import type { Core } from "./core.js";
import { meet, meetWithCursors, reach } from "./directory.js";
import { addSequenced } from "./entries.js";
import { moveMember } from "./receipts.js";
import type { Push, RelayLink } from "./relay-link.js";

/** Logs that are fetched at once. */
const MAX_FETCHING = 4;
/** Pushes that wait to be stored; a disk that falls behind further is better served by a new start. */
const MAX_WAITING = 4_096;

type Stamped = Extract<Push, { stamp: number }>;

export class Sync {
  readonly #core: Core;
  readonly #relay: RelayLink;
  readonly #changed: (id: ConversationId) => void;
  #inbound: Promise<void> = Promise.resolve();
  #waiting = 0;
  /** Counts connections, so that the work of an old one stops. */
  #generation = 0;
  /**
   * Until all changes of before this connection are in, the position must not move: it would pass
   * over what has not been fetched. What is pushed meanwhile moves it at the end.
   */
  #level = false;
  #pushedUpTo = 0;
  readonly #fetching = new Set<ConversationId>();
  readonly #behind = new Set<ConversationId>();

  constructor(core: Core, relay: RelayLink, changed: (id: ConversationId) => void) {
    this.#core = core;
    this.#relay = relay;
    this.#changed = changed;
  }

  connected(): void {
    const generation = ++this.#generation;
    this.#level = false;
    this.#pushedUpTo = 0;
    for (const { row } of this.#core.state.byActivity()) this.#fetchIfBehind(row.conversationId);
    this.#catchUp(generation).catch((error: unknown) => this.#failed(generation, error));
  }

  disconnected(): void {
    this.#generation++;
    this.#fetching.clear();
    this.#behind.clear();
  }

  push(frame: Stamped): void {
    const generation = this.#generation;
    if (++this.#waiting > MAX_WAITING) {
      this.#relay.restart(
        new DovetailError("overloaded", "The disk is too slow for what arrives."),
      );
    }
    this.#inbound = this.#inbound
      .then(() => (generation === this.#generation ? this.#take(frame) : undefined))
      .catch((error: unknown) => this.#failed(generation, error))
      .finally(() => {
        this.#waiting--;
      });
  }

  /** Asks the relay for a conversation that it has not told of yet. */
  async learn(id: ConversationId): Promise<void> {
    const { conversation } = await this.#relay.request("getConversation", { conversationId: id });
    await this.#core.journal.run(() => meet(this.#core, conversation));
    this.#fetchIfBehind(id);
  }

  async idle(): Promise<void> {
    await this.#inbound;
  }

  async #catchUp(generation: number): Promise<void> {
    for (let more = true; more; ) {
      const page = await this.#relay.request("getChanges", {
        after: this.#core.state.stamp,
        limit: MAX_CHANGES,
      });
      for (const conversation of page.conversations) {
        await meetWithCursors(this.#core, conversation);
        this.#told(conversation.conversationId);
      }
      if (generation !== this.#generation) return;
      more = page.more;
      if (more && page.upTo <= this.#core.state.stamp) throw new DovetailError("unexpected_frame");
      await this.#core.journal.run(() => reach(this.#core, page.upTo));
    }
    this.#level = true;
    await this.#core.journal.run(() => reach(this.#core, this.#pushedUpTo));
  }

  async #take(frame: Stamped): Promise<void> {
    const core = this.#core;
    const stamp = this.#level ? frame.stamp : undefined;
    if (frame.type === "conversation") {
      await meetWithCursors(core, frame.conversation, stamp);
      this.#told(frame.conversation.conversationId);
    } else {
      const id = frame.conversationId;
      if (!core.state.conversations.has(id)) await this.learn(id);
      await core.journal.run(() => {
        if (frame.type === "cursors") return moveMember(core, id, frame, stamp);
        const entries = frame.type === "entries" ? frame.entries : frame.placements;
        return addSequenced(core, id, entries, stamp);
      });
      this.#told(id);
    }
    this.#pushedUpTo = Math.max(this.#pushedUpTo, frame.stamp);
  }

  #told(id: ConversationId): void {
    this.#changed(id);
    this.#fetchIfBehind(id);
  }

  #fetchIfBehind(id: ConversationId): void {
    const row = this.#core.state.conversations.get(id)?.row;
    if (row && row.head > row.upTo) this.#behind.add(id);
    this.#fetchNext();
  }

  #fetchNext(): void {
    for (const id of this.#behind) {
      if (this.#fetching.size >= MAX_FETCHING || !this.#relay.connected) return;
      if (this.#fetching.has(id)) continue;
      this.#behind.delete(id);
      this.#fetching.add(id);
      const generation = this.#generation;
      this.#fetch(id, generation)
        .catch((error: unknown) => this.#failed(generation, error))
        .finally(() => {
          if (generation !== this.#generation) return;
          this.#fetching.delete(id);
          this.#fetchNext();
        });
    }
  }

  async #fetch(id: ConversationId, generation: number): Promise<void> {
    const conversation = this.#core.state.conversation(id);
    while (generation === this.#generation && conversation.row.head > conversation.row.upTo) {
      const before = conversation.row.upTo;
      const { entries } = await this.#relay.request("getEntries", {
        conversationId: id,
        fromSeq: before + 1,
        limit: MAX_ENTRIES,
      });
      await this.#core.journal.run(() => addSequenced(this.#core, id, entries));
      this.#changed(id);
      if (conversation.row.upTo === before) {
        this.#core.ports.log.error("the relay's log is shorter than it said", {
          conversationId: id,
        });
        return;
      }
    }
  }

  /** What could not be stored has to come again: from the last position, on a new connection. */
  #failed(generation: number, thrown: unknown): void {
    const error = DovetailError.from(thrown);
    if (generation !== this.#generation || error.code === "relay_unreachable") return;
    this.#core.ports.log.warn("synchronising failed", { code: error.code, message: error.message });
    this.#relay.restart(error);
  }
}
