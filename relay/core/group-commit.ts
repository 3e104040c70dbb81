import { DovetailError, type ErrorCode } from "../../shared/errors.js";
import type { ConversationId } from "../../shared/ids.js";
import type { Clock, Log } from "../../shared/runtime.js";
import {
  ANSWER_MS,
  MAX_ATTEMPTS,
  MAX_COMMIT_BYTES,
  MAX_COMMIT_WRITES,
  MAX_QUEUED_BYTES,
  MAX_QUEUED_WRITES,
  RECOVERY_MS,
} from "./bounds.js";
import type { Conversation } from "./conversation.js";
import type { Conversations } from "./conversations.js";
import type { LogChange, LogOutcome, LogStore, Metrics } from "./ports.js";
import { Stage } from "./stage.js";
import { refusal, type WriteHealth } from "./write-health.js";

/** A request to write to one conversation. Ends with `committed` or `failed`, or in `prepare`. */
export interface WriteJob {
  readonly conversationId: ConversationId;
  /** About what it takes in the store, for the bounds. */
  readonly bytes: number;
  /** Reads what planning needs; null where that answered the request. May run several times. */
  prepare(): Promise<Conversation | null>;
  /** False where it must be prepared again. Throwing fails this job only. */
  plan(stage: Stage): boolean;
  /** Everything planned is durable. Called in the order of the stamps. */
  committed(stage: Stage, firstStamp: number): void;
  failed(error: DovetailError): void;
}

interface Item {
  readonly job: WriteJob;
  conversation: Conversation | null;
  preparing: boolean;
  attempts: number;
  /** Until when somebody waits for the answer; monotonic. */
  readonly until: number;
}

interface Plan {
  readonly stages: Map<Stage, Item[]>;
  writes: number;
  bytes: number;
}

interface Committed {
  readonly stage: Stage;
  readonly change: LogChange | null;
  readonly firstStamp: number;
}

const busy = (): DovetailError =>
  new DovetailError("overloaded", undefined, { retryAfterMs: RECOVERY_MS });

/** What is wrong with one conversation, and not with the store. */
const OF_ONE: readonly ErrorCode[] = ["overloaded", "profile_corrupt", "profile_newer"];

/**
 * One durable write for all that waits: while as many as may are running, everything that arrives is
 * collected into the next. Jobs of one conversation keep their order; one that still reads holds up no other
 * conversation.
 */
export class GroupCommit {
  readonly #store: LogStore;
  readonly #conversations: Conversations;
  readonly #health: WriteHealth;
  readonly #metrics: Metrics;
  readonly #clock: Clock;
  readonly #log: Log;
  /** In order of arrival; a job leaves when it has ended. */
  readonly #queue = new Set<Item>();
  #queuedBytes = 0;
  /** Those that are being written: what comes for them waits. */
  readonly #writing = new Set<ConversationId>();
  readonly #most: number;
  #running = 0;
  #idle: (() => void)[] = [];

  constructor(
    ports: { logs: LogStore; metrics: Metrics; clock: Clock; log: Log },
    conversations: Conversations,
    health: WriteHealth,
    /** Commits at once. More than one only where nobody asks for the order of their stamps. */
    most = 1,
  ) {
    this.#most = most;
    this.#store = ports.logs;
    this.#metrics = ports.metrics;
    this.#clock = ports.clock;
    this.#log = ports.log;
    this.#conversations = conversations;
    this.#health = health;
  }

  submit(job: WriteJob): void {
    if (this.#queue.size >= MAX_QUEUED_WRITES || this.#queuedBytes + job.bytes > MAX_QUEUED_BYTES) {
      job.failed(busy());
      return;
    }
    const until = this.#clock.monotonic() + ANSWER_MS;
    const item: Item = { job, conversation: null, preparing: false, attempts: 0, until };
    this.#queue.add(item);
    this.#queuedBytes += job.bytes;
    void this.#prepare(item);
  }

  /** What waits for the store, or is being written. */
  get backlog(): { readonly entries: number; readonly bytes: number } {
    return { entries: this.#queue.size, bytes: this.#queuedBytes };
  }

  /** Resolves once nothing waits any more. */
  async idle(): Promise<void> {
    if (this.#queue.size > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  async #prepare(item: Item): Promise<void> {
    if (item.preparing) return;
    item.preparing = true;
    item.conversation = null;
    try {
      if (++item.attempts > MAX_ATTEMPTS) throw busy();
      item.conversation = await item.job.prepare();
      item.preparing = false;
      if (!item.conversation) this.#end(item);
    } catch (error) {
      this.#fail(item, error);
    }
    this.#run();
  }

  #end(item: Item): void {
    this.#queue.delete(item);
    this.#queuedBytes -= item.job.bytes;
    if (this.#queue.size > 0) return;
    for (const resolve of this.#idle) resolve();
    this.#idle = [];
  }

  #fail(item: Item, error: unknown): void {
    this.#end(item);
    item.job.failed(DovetailError.from(error));
  }

  #run(): void {
    while (this.#running < this.#most) {
      const plan = this.#plan();
      if (plan.writes === 0) return;
      void this.#write(plan);
    }
  }

  async #write(plan: Plan): Promise<void> {
    this.#running++;
    const conversations = [...plan.stages.keys()].map(({ conversation }) => conversation);
    for (const { id } of conversations) this.#writing.add(id);
    const writing = this.#commit(plan);
    for (const conversation of conversations) conversation.writing = writing;
    await writing;
    for (const conversation of conversations) {
      conversation.writing = null;
      this.#writing.delete(conversation.id);
    }
    this.#running--;
    this.#run();
  }

  #plan(): Plan {
    const plan: Plan = { stages: new Map(), writes: 0, bytes: 0 };
    const stages = new Map<ConversationId, Stage>();
    const heldUp = new Set<ConversationId>();
    const now = this.#clock.monotonic();
    for (const item of this.#queue) {
      if (plan.writes >= MAX_COMMIT_WRITES || plan.bytes >= MAX_COMMIT_BYTES) break;
      const { job, conversation } = item;
      if (heldUp.has(job.conversationId) || this.#writing.has(job.conversationId)) continue;
      // Whoever asked has given up, and asks anew: behind a slow store both would be done, and then ever more.
      if (!item.preparing && now > item.until) {
        this.#fail(item, busy());
        continue;
      }
      if (!conversation || conversation.stale) {
        heldUp.add(job.conversationId);
        void this.#prepare(item);
        continue;
      }
      const stage = stages.get(job.conversationId) ?? new Stage(conversation);
      // Who may do what is decided on what is durable.
      if (stage.regroups) {
        heldUp.add(job.conversationId);
        continue;
      }
      try {
        if (!job.plan(stage)) {
          heldUp.add(job.conversationId);
          void this.#prepare(item);
          continue;
        }
      } catch (error) {
        this.#fail(item, error);
        continue;
      }
      stages.set(job.conversationId, stage);
      const items = plan.stages.get(stage);
      if (items) items.push(item);
      else plan.stages.set(stage, [item]);
      plan.writes++;
      plan.bytes += job.bytes;
    }
    return plan;
  }

  async #commit(plan: Plan): Promise<void> {
    const staged = [...plan.stages.keys()].map((stage) => [stage, stage.change()] as const);
    const changes = staged.map(([, change]) => change).filter((change) => change !== null);
    const outcomes = new Map<LogChange, LogOutcome>();
    const startedAt = this.#clock.monotonic();
    try {
      if (changes.length > 0) {
        const results = await this.#health.write(() => this.#written(changes));
        changes.forEach((change, i) => {
          outcomes.set(change, results[i] ?? null);
        });
        const entries = changes.reduce((sum, change) => sum + change.entries.length, 0);
        this.#metrics.committed(entries, this.#clock.monotonic() - startedAt);
      }
    } catch (error) {
      for (const stage of plan.stages.keys()) this.#unknown(plan, stage, error);
      return;
    }
    const committed: Committed[] = [];
    for (const [stage, change] of staged) {
      const outcome = change ? outcomes.get(change) : { firstStamp: 0 };
      if (!outcome) {
        this.#metrics.count("conflicts");
        this.#conversations.invalidate(stage.conversation);
      } else if ("failed" in outcome) {
        this.#log.warn("commit.failed", { error: outcome.failed });
        const isBusy = outcome.failed.code === "overloaded";
        this.#unknown(plan, stage, isBusy ? outcome.failed : refusal(outcome.failed));
      } else committed.push({ stage, change, firstStamp: outcome.firstStamp });
    }
    // Whoever is told a stamp takes all older ones as told.
    committed.sort((a, b) => a.firstStamp - b.firstStamp);
    for (const { stage, change, firstStamp } of committed) {
      if (change) {
        stage.conversation.committed(change);
        this.#conversations.adopt(stage.conversation);
        this.#metrics.count("inboxNotes", change.noted.length + (change.crowd ? 1 : 0));
      }
      for (const item of plan.stages.get(stage) ?? []) this.#committed(item, stage, firstStamp);
    }
  }

  /** @throws what it was where all failed as a store does: then it is not about one conversation. */
  async #written(changes: readonly LogChange[]): Promise<readonly LogOutcome[]> {
    const outcomes = await this.#store.commit(changes);
    const errors = outcomes.map((outcome) =>
      outcome && "failed" in outcome ? outcome.failed : null,
    );
    const [first] = errors;
    if (first && errors.every((error) => error && !OF_ONE.includes(error.code))) throw first;
    return outcomes;
  }

  /** Whether it was written is unknown: the store has to be asked before the next append. */
  #unknown(plan: Plan, stage: Stage, error: unknown): void {
    this.#conversations.invalidate(stage.conversation);
    for (const item of plan.stages.get(stage) ?? []) this.#fail(item, error);
  }

  #committed(item: Item, stage: Stage, firstStamp: number): void {
    this.#end(item);
    try {
      item.job.committed(stage, firstStamp);
    } catch (error) {
      // The write stands; a fault in telling about it must not stop the writes of others.
      this.#log.error("commit.push-failed", { error });
    }
  }
}
