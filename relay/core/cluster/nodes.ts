import { DovetailError } from "../../../shared/errors.js";
import type { ConversationId, UserId } from "../../../shared/ids.js";
import { type RelayFrame, relayFrames } from "../../../shared/protocol.js";
import type { Clock, Log, Timer } from "../../../shared/runtime.js";
import { ANSWER_MS, ASK_AGAIN_MS, MAX_ASKED } from "../bounds.js";
import type { Address, Elsewhere, Instead } from "../connections.js";
import type { Bus, BusListener } from "./bus.js";
import { type NodeMessage, nodeMessages } from "./messages.js";
import { type NodeId, type Placement, Ring } from "./ring.js";

export interface NodesListener {
  told(from: NodeId, message: NodeMessage): void;
  /** Shards have other owners than before. */
  ringChanged(gone: readonly NodeId[]): void;
}

interface Asked {
  readonly node: NodeId;
  readonly timer: Timer | null;
  answered(frame: Uint8Array | null): void;
  failed(error: DovetailError): void;
}

/** This node among the others: who owns what, and messages and questions to them. */
export class Nodes implements Elsewhere, BusListener {
  readonly node: NodeId;
  readonly #bus: Bus;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #asked = new Map<number, Asked>();
  #asks = 0;
  #stopped = false;
  #ring: Placement;
  #listener: NodesListener | null = null;

  constructor(bus: Bus, { clock, log }: { clock: Clock; log: Log }) {
    this.node = bus.node;
    this.#bus = bus;
    this.#clock = clock;
    this.#log = log;
    this.#ring = this.#place([bus.node]);
  }

  listen(listener: NodesListener): void {
    this.#listener = listener;
    this.#bus.listen(this);
  }

  owner(id: ConversationId | UserId | string): NodeId {
    return this.#ring.owner(id);
  }

  /** Those that are there, this one among them. */
  get all(): ReadonlySet<NodeId> {
    return this.#ring.nodes;
  }

  /** How many of the shards that node owns. */
  shards(node: NodeId): number {
    return this.#ring.shards(node);
  }

  has(node: NodeId): boolean {
    return this.#ring.nodes.has(node);
  }

  tell(to: NodeId, message: NodeMessage): void {
    this.#bus.send(to, nodeMessages.encode(message));
  }

  tellAll(message: NodeMessage): void {
    const bytes = nodeMessages.encode(message);
    for (const node of this.#ring.nodes) if (node !== this.node) this.#bus.send(node, bytes);
  }

  /** Resolves when each of the others has answered or is gone, or after `patience`: they are asked on. */
  async askAll(question: (id: number) => NodeMessage, patience: number): Promise<void> {
    const others = [...this.#ring.nodes].filter((node) => node !== this.node);
    await new Promise<void>((resolve) => {
      const timer = this.#clock.after(patience, resolve);
      void Promise.all(others.map((node) => this.#askUntilAnswered(node, question))).then(() => {
        timer.cancel();
        resolve();
      });
    });
  }

  async #askUntilAnswered(node: NodeId, question: (id: number) => NodeMessage): Promise<void> {
    while (this.has(node) && !this.#stopped) {
      const answered = await this.ask(node, question, ASK_AGAIN_MS).then(
        () => true,
        () => false,
      );
      if (answered) return;
      await new Promise<void>((resolve) => void this.#clock.after(ASK_AGAIN_MS, resolve));
    }
  }

  /**
   * Asks another node. `patience` null waits as long as the node is there.
   * @throws DovetailError `overloaded` where no answer comes: whether it was done is unknown.
   */
  ask(
    to: NodeId,
    question: (id: number) => NodeMessage,
    patience: number | null = ANSWER_MS,
    begun?: (id: number) => void,
  ): Promise<Uint8Array | null> {
    const id = ++this.#asks;
    return new Promise((answered, failed) => {
      if (!this.has(to) || this.#asked.size >= MAX_ASKED) {
        failed(noAnswer());
        return;
      }
      const end = (): boolean => {
        timer?.cancel();
        return this.#asked.delete(id);
      };
      const timer =
        patience === null ? null : this.#clock.after(patience, () => end() && failed(noAnswer()));
      this.#asked.set(id, {
        node: to,
        timer,
        answered: (frame) => end() && answered(frame),
        failed: (error) => end() && failed(error),
      });
      begun?.(id);
      this.tell(to, question(id));
    });
  }

  push(
    users: readonly UserId[],
    frame: RelayFrame,
    except: Address | undefined,
    instead: Instead<RelayFrame> | undefined,
  ): readonly UserId[] {
    const owners = new Map<NodeId, UserId[]>();
    for (const user of users) {
      const owner = this.#ring.owner(user);
      const own = owners.get(owner);
      if (own) own.push(user);
      else owners.set(owner, [user]);
    }
    const here = owners.get(this.node) ?? [];
    owners.delete(this.node);
    if (owners.size === 0) return here;
    const message = {
      type: "push",
      frame: relayFrames.encode(frame),
      except: except ?? null,
      instead: instead
        ? { devices: [...instead.devices], frame: relayFrames.encode(instead.frame) }
        : null,
    } as const;
    for (const [owner, own] of owners) this.tell(owner, { ...message, users: own });
    return here;
  }

  /**
   * Pushes of several owners arrive in any order and some not at all, so that one says nothing of what
   * came before it: where a client stands in its inbox, its gateway tells it.
   */
  pushable(frame: RelayFrame): RelayFrame {
    return "stamp" in frame ? { ...frame, stamp: 0 } : frame;
  }

  received(from: NodeId, bytes: Uint8Array): void {
    try {
      const message = nodeMessages.decode(bytes);
      if (message.type !== "reply") this.#listener?.told(from, message);
      else {
        const asked = this.#asked.get(message.id);
        if (asked?.node === from) asked.answered(message.frame);
      }
    } catch (error) {
      this.#log.warn("bus.message-failed", { from, error });
    }
  }

  members(nodes: readonly NodeId[]): void {
    const before = this.#ring.nodes;
    this.#ring = this.#place([...new Set([...nodes, this.node])]);
    const gone = [...before].filter((node) => !this.has(node));
    if (gone.length === 0 && this.#ring.nodes.size === before.size) return;
    for (const asked of [...this.#asked.values()]) {
      if (!this.has(asked.node)) asked.failed(noAnswer());
    }
    this.#listener?.ringChanged(gone);
  }

  #place(nodes: readonly NodeId[]): Placement {
    return this.#bus.place?.(nodes) ?? new Ring(nodes);
  }

  stop(): void {
    this.#stopped = true;
    for (const asked of [...this.#asked.values()]) asked.failed(noAnswer());
  }
}

const noAnswer = (): DovetailError =>
  new DovetailError("overloaded", "Another node of the relay gives no answer.", {
    retryAfterMs: ASK_AGAIN_MS,
  });
