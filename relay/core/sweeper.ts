import type { ConversationId } from "../../shared/ids.js";
import type { SequencedEntry } from "../../shared/protocol.js";
import type { Clock, Log, Timer } from "../../shared/runtime.js";
import {
  ENTRIES_PER_READ,
  SWEEP_AGAIN_MS,
  SWEEP_ENTRIES,
  SWEEP_LOGS,
  SWEEP_MS,
  TRIM_ENTRIES,
} from "./bounds.js";
import type { Retention } from "./config.js";
import type { Conversations } from "./conversations.js";
import type { Directory, LogStore, Metrics, StoredConversation } from "./ports.js";
import { covers, WHOLE_LOG } from "./spans.js";
import type { WriteHealth } from "./write-health.js";

interface SweeperPorts {
  readonly logs: LogStore;
  readonly directory: Directory;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly log: Log;
}

/**
 * Deletes what the relay is not to have any longer: payloads whose time is up, and the beginnings of
 * logs as the operator wants it. A little at a time, so that writes are not held up.
 */
export class Sweeper {
  readonly #ports: SweeperPorts;
  readonly #conversations: Conversations;
  readonly #health: WriteHealth;
  readonly #retention: Retention;
  readonly #isOurs: () => boolean;
  /** The log after which the next look begins. */
  #after: ConversationId | null = null;
  #timer: Timer | null = null;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;

  /** `isOurs`: whether it is for this node to look, of those that share the store. */
  constructor(
    ports: SweeperPorts,
    conversations: Conversations,
    health: WriteHealth,
    retention: Retention,
    isOurs: () => boolean,
  ) {
    this.#isOurs = isOurs;
    this.#ports = ports;
    this.#conversations = conversations;
    this.#health = health;
    this.#retention = retention;
    this.#later(SWEEP_MS);
  }

  /** Resolves once nothing is being deleted any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#running;
  }

  #later(delayMs: number): void {
    if (this.#stopped) return;
    this.#timer = this.#ports.clock.after(delayMs, () => {
      this.#running = this.#look();
    });
  }

  async #look(): Promise<void> {
    let more = false;
    try {
      if (this.#health.ok && this.#isOurs()) {
        const expired = await this.#eraseExpired();
        const trimmed = this.#retention === "forever" ? false : await this.#trimSome();
        more = expired || trimmed;
      }
    } catch (error) {
      this.#ports.log.warn("sweep.failed", { error });
    }
    this.#later(more ? SWEEP_AGAIN_MS : SWEEP_MS);
  }

  /** Whether there may be more. */
  async #eraseExpired(): Promise<boolean> {
    const { logs, clock, metrics } = this.#ports;
    const erased = await logs.eraseExpired(clock.now(), SWEEP_ENTRIES);
    metrics.count("expired", erased);
    return erased === SWEEP_ENTRIES;
  }

  /** Whether there may be more in one of the logs. */
  async #trimSome(): Promise<boolean> {
    const ids = await this.#ports.logs.conversationsAfter(this.#after, SWEEP_LOGS);
    this.#after = ids.length < SWEEP_LOGS ? null : (ids.at(-1) ?? null);
    let more = false;
    for (const id of ids) {
      if (this.#stopped) return false;
      if ((await this.#trim(id)) >= TRIM_ENTRIES) more = true;
    }
    return more;
  }

  /** How many entries of the log are gone. */
  async #trim(id: ConversationId): Promise<number> {
    const { logs, metrics } = this.#ports;
    const stored = await logs.conversation(id);
    if (!stored) return 0;
    let first = stored.first;
    while (first <= stored.head && first - stored.first < TRIM_ENTRIES) {
      // The first alone decides mostly, and that is all that has to be read then.
      const [oldest] = await logs.entries(id, first, 1);
      if (!oldest || (await this.#needless(id, stored, [oldest])) === 0) break;
      const entries = await logs.entries(id, first, ENTRIES_PER_READ);
      const count = await this.#needless(id, stored, entries);
      first = oldest.seq + count;
      if (count < entries.length) break;
    }
    if (first === stored.first) return 0;
    await logs.trim(id, first);
    this.#conversations.trimmed(id, first);
    metrics.count("trimmed", first - stored.first);
    return first - stored.first;
  }

  /** How many of these, from the first on, need not be kept. */
  async #needless(
    id: ConversationId,
    stored: StoredConversation,
    entries: readonly SequencedEntry[],
  ): Promise<number> {
    const retention = this.#retention;
    if (typeof retention === "string") return this.#delivered(id, stored, entries);
    const before = this.#ports.clock.now() - retention.keepMs;
    const kept = entries.findIndex(({ at }) => at > before);
    return kept < 0 ? entries.length : kept;
  }

  /**
   * How many of these, from the first on, every device has whose user was a member at their place: by
   * its own word, or because it wrote them.
   */
  async #delivered(
    id: ConversationId,
    { kind, group, cursors }: StoredConversation,
    entries: readonly SequencedEntry[],
  ): Promise<number> {
    const { logs, directory } = this.#ports;
    const spans =
      kind === "group"
        ? await logs.allSpans(id)
        : new Map(group.members.map(({ userId }) => [userId, WHOLE_LOG]));
    let count = entries.length;
    for (const [user, own] of spans) {
      for (const { deviceId } of await directory.devices(user)) {
        const upTo = cursors.get(user)?.devices.get(deviceId) ?? 0;
        const lacks = entries.findIndex(
          (entry) => entry.seq > upTo && entry.deviceId !== deviceId && covers(own, entry.seq),
        );
        if (lacks >= 0) count = Math.min(count, lacks);
        if (count === 0) return 0;
      }
    }
    return count;
  }
}
