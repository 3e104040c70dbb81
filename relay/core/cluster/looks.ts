import { decode, encode, list, uint } from "../../../shared/codec.js";
import type { DovetailError } from "../../../shared/errors.js";
import type { UserId } from "../../../shared/ids.js";
import type { Clock } from "../../../shared/runtime.js";
import { LOOK_TOGETHER_MS, MAX_LOOKED } from "../bounds.js";
import type { LogStore } from "../ports.js";
import type { Nodes } from "./nodes.js";
import type { NodeId } from "./ring.js";

/** Somebody's inbox, and the stamp up to which it is known. */
interface Inbox {
  readonly userId: UserId;
  readonly after: number;
}

interface Asked extends Inbox {
  readonly answered: (hasNews: boolean) => void;
  readonly failed: (error: DovetailError) => void;
}

/** Which of the inboxes that were asked about, by place in the question. */
const places = list(uint(MAX_LOOKED - 1), MAX_LOOKED);

/**
 * Whether inboxes have something new. Most have nothing each time, so what is asked within a moment goes
 * to each node in one question: the same for thousands of clients costs a fraction of one for each.
 */
export class Looks {
  readonly #nodes: Pick<Nodes, "node" | "owner" | "ask">;
  readonly #logs: Pick<LogStore, "newestStamp">;
  readonly #clock: Clock;
  #waiting: Asked[] = [];

  constructor(
    nodes: Pick<Nodes, "node" | "owner" | "ask">,
    logs: Pick<LogStore, "newestStamp">,
    clock: Clock,
  ) {
    this.#nodes = nodes;
    this.#logs = logs;
    this.#clock = clock;
  }

  /** @throws DovetailError `overloaded` where the owner of the user gives no answer, or what its store throws. */
  hasNews(userId: UserId, after: number): Promise<boolean> {
    return new Promise((answered, failed) => {
      this.#waiting.push({ userId, after, answered, failed });
      if (this.#waiting.length === 1) this.#clock.after(LOOK_TOGETHER_MS, () => this.#lookAll());
    });
  }

  /** For another node: the answer to its question. */
  async answer(inboxes: readonly Inbox[]): Promise<Uint8Array> {
    return encode(places, await this.#placesOf(inboxes));
  }

  #lookAll(): void {
    const byOwner = new Map<NodeId, Asked[]>();
    for (const asked of this.#waiting) {
      const owner = this.#nodes.owner(asked.userId);
      const some = byOwner.get(owner);
      if (some) some.push(asked);
      else byOwner.set(owner, [asked]);
    }
    this.#waiting = [];
    for (const [owner, asked] of byOwner) {
      for (let i = 0; i < asked.length; i += MAX_LOOKED) {
        void this.#look(owner, asked.slice(i, i + MAX_LOOKED));
      }
    }
  }

  async #look(owner: NodeId, asked: readonly Asked[]): Promise<void> {
    try {
      const found = new Set(await this.#ask(owner, asked));
      for (const [place, { answered }] of asked.entries()) answered(found.has(place));
    } catch (error) {
      for (const { failed } of asked) failed(error as DovetailError);
    }
  }

  async #ask(owner: NodeId, asked: readonly Asked[]): Promise<readonly number[]> {
    if (owner === this.#nodes.node) return this.#placesOf(asked);
    const inboxes = asked.map(({ userId, after }) => ({ userId, after }));
    const answer = await this.#nodes.ask(owner, (id) => ({ type: "look", id, inboxes }));
    return decode(places, answer ?? new Uint8Array());
  }

  async #placesOf(inboxes: readonly Inbox[]): Promise<number[]> {
    const found = await Promise.all(
      inboxes.map(async ({ userId, after }) => (await this.#logs.newestStamp(userId)) > after),
    );
    return [...found.keys()].filter((place) => found[place]);
  }
}
