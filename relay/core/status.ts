import type { Clock, Timer } from "../../shared/runtime.js";
import { MAX_GONE_NODES, PROBE_MS, REMEMBER_GONE_MS, SUMMARY_MS } from "./bounds.js";
import { Lags } from "./cluster/lag.js";
import type { NodeMessage } from "./cluster/messages.js";
import type { Nodes } from "./cluster/nodes.js";
import { type NodeId, SHARDS } from "./cluster/ring.js";
import type { Heat } from "./heat.js";
import type { Metrics } from "./ports.js";
import type { OwnState, Summary } from "./summary.js";

export interface NodeStatus {
  readonly node: NodeId | "";
  /** The one that is asked. */
  readonly here: boolean;
  readonly shards: number;
  /** Since when it is not heard of any more, in milliseconds since 1970; null where it is there. */
  readonly goneAt: number | null;
  /** The last that it has said; null before that. */
  readonly summary: Summary | null;
}

interface Parts {
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly heat: Heat;
  /** Null for a relay of one node. */
  readonly nodes: Nodes | null;
  readonly label: string;
  readonly address: string | null;
  readonly own: () => OwnState;
  readonly draining: () => boolean;
  readonly writable: () => boolean;
}

/** Each node tells the others how it is, so that any of them can say how all are. */
export class StatusBoard {
  readonly #parts: Parts;
  readonly #lags: Lags;
  readonly #startedAt: number;
  readonly #summaries = new Map<NodeId, Summary>();
  /** By when they went on the steady clock, the oldest first. */
  readonly #gone = new Map<NodeId, { readonly since: number; readonly summary: Summary | null }>();
  #probing: Timer;
  #telling: Timer;

  constructor(parts: Parts) {
    const { clock } = parts;
    this.#parts = parts;
    this.#lags = new Lags(clock);
    this.#startedAt = clock.now();
    this.#probing = this.#probeLater();
    this.#telling = this.#tellLater();
  }

  /** False where the message is not about how a node is. */
  take(from: NodeId, message: NodeMessage): boolean {
    const { nodes } = this.#parts;
    switch (message.type) {
      case "probe":
        nodes?.tell(from, { type: "probed", id: message.id });
        return true;
      case "probed":
        this.#lags.answered(from, message.id);
        return true;
      case "summary":
        if (nodes?.has(from)) this.#summaries.set(from, message);
        return true;
      default:
        return false;
    }
  }

  ringChanged(gone: readonly NodeId[]): void {
    const since = this.#parts.clock.monotonic();
    for (const node of gone) {
      this.#gone.set(node, { since, summary: this.#summaries.get(node) ?? null });
      this.#summaries.delete(node);
    }
    for (const node of this.#others()) this.#gone.delete(node);
    this.#forgetGone();
  }

  /** All nodes, this one first, and at the end those that are gone. */
  status(): readonly NodeStatus[] {
    const { clock, nodes } = this.#parts;
    this.#forgetGone();
    const here = nodes?.node ?? "";
    return [
      {
        node: here,
        here: true,
        shards: nodes ? nodes.shards(nodes.node) : SHARDS,
        goneAt: null,
        summary: this.#summary(),
      },
      ...this.#others().map((node) => ({
        node,
        here: false,
        shards: nodes?.shards(node) ?? 0,
        goneAt: null,
        summary: this.#summaries.get(node) ?? null,
      })),
      ...[...this.#gone].map(([node, { since, summary }]) => ({
        node,
        here: false,
        shards: 0,
        goneAt: Math.round(clock.now() - (clock.monotonic() - since)),
        summary,
      })),
    ];
  }

  /** Where clients find the nodes that take them. Asked by everybody who comes: so nothing is summed up. */
  get addresses(): readonly string[] {
    const { address, draining } = this.#parts;
    const found = new Set<string>();
    if (address !== null && !draining()) found.add(address);
    for (const each of this.#summaries.values()) {
      if (each.address !== null && !each.draining) found.add(each.address);
    }
    return [...found];
  }

  /** Without waiting for the time to come. */
  tell(): void {
    const { nodes, metrics, writable } = this.#parts;
    const summary = this.#summary();
    nodes?.tellAll({ type: "summary", ...summary });
    metrics.measured(summary, nodes?.all.size ?? 1, writable());
  }

  stop(): void {
    this.#probing.cancel();
    this.#telling.cancel();
  }

  #summary(): Summary {
    const { heat, label, address, own } = this.#parts;
    const lag = this.#lags.worst();
    return { ...own(), label, address, startedAt: this.#startedAt, lag, hot: heat.hottest() };
  }

  #others(): NodeId[] {
    const { nodes } = this.#parts;
    return nodes ? [...nodes.all].filter((node) => node !== nodes.node) : [];
  }

  #forgetGone(): void {
    const until = this.#parts.clock.monotonic() - REMEMBER_GONE_MS;
    for (const [node, { since }] of this.#gone) {
      if (since <= until || this.#gone.size > MAX_GONE_NODES) this.#gone.delete(node);
    }
  }

  #probeLater(): Timer {
    const { clock, nodes } = this.#parts;
    return clock.after(PROBE_MS, () => {
      this.#lags.probe(this.#others(), (to, id) => nodes?.tell(to, { type: "probe", id }));
      this.#probing = this.#probeLater();
    });
  }

  #tellLater(): Timer {
    return this.#parts.clock.after(SUMMARY_MS, () => {
      this.tell();
      this.#telling = this.#tellLater();
    });
  }
}
