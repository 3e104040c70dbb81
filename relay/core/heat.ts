import type { ConversationId, UserId } from "../../shared/ids.js";
import type { Clock } from "../../shared/runtime.js";
import { HEAT_MS, MAX_HOT_SHARDS } from "./bounds.js";
import { shardOf } from "./cluster/ring.js";

/** Of the last minute. */
export interface ShardHeat {
  readonly shard: number;
  readonly requests: number;
  readonly appends: number;
}

type Counts = Map<number, { requests: number; appends: number }>;

/** A minute leaves in parts: what was counted is forgotten a twelfth at a time. */
const SLOTS = 12;
const SLOT_MS = HEAT_MS / SLOTS;

/** What each virtual shard had to do in the last minute, of those that this node did it for. */
export class Heat {
  readonly #clock: Clock;
  /** The newest is the last. */
  #slots: Counts[] = [new Map()];
  #slot: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#slot = this.#now();
  }

  requested(id: ConversationId | UserId): void {
    this.#of(id).requests++;
  }

  appended(id: ConversationId, entries: number): void {
    this.#of(id).appends += entries;
  }

  /** Those with the most to do first. */
  hottest(): readonly ShardHeat[] {
    this.#turn();
    const sums: Counts = new Map();
    for (const slot of this.#slots) {
      for (const [shard, { requests, appends }] of slot) {
        const sum = sums.get(shard);
        if (sum) {
          sum.requests += requests;
          sum.appends += appends;
        } else sums.set(shard, { requests, appends });
      }
    }
    return [...sums]
      .map(([shard, counts]) => ({ shard, ...counts }))
      .sort((a, b) => b.requests + b.appends - a.requests - a.appends || a.shard - b.shard)
      .slice(0, MAX_HOT_SHARDS);
  }

  #now(): number {
    return Math.floor(this.#clock.monotonic() / SLOT_MS);
  }

  #of(id: ConversationId | UserId): { requests: number; appends: number } {
    this.#turn();
    const slot = this.#slots.at(-1) as Counts;
    const shard = shardOf(id);
    const counts = slot.get(shard) ?? { requests: 0, appends: 0 };
    slot.set(shard, counts);
    return counts;
  }

  #turn(): void {
    const now = this.#now();
    const passed = Math.min(now - this.#slot, SLOTS);
    if (passed === 0) return;
    this.#slot = now;
    for (let i = 0; i < passed; i++) this.#slots.push(new Map());
    this.#slots = this.#slots.slice(-SLOTS);
  }
}
