/** A bus in one process that loses what goes from one node to another for as long as one likes. */
import type { Bus } from "../../../relay/core/cluster/bus.js";
import { Meetings } from "../../../relay/core/cluster/meetings.js";
import type { NodeId } from "../../../relay/core/cluster/ring.js";
import type { Clock, Log } from "../../../shared/runtime.js";

/** Calls back later, for each target in the order of asking. */
type Carry = (deliver: () => void, to: NodeId) => void;

export class LossyBusHub {
  readonly #carry: Carry;
  readonly #nodes = new Map<NodeId, Meetings>();
  /** Ways on which everything is lost. */
  readonly #lost = new Set<string>();
  readonly #cut = new Set<NodeId>();

  constructor(carry: Carry = (deliver) => queueMicrotask(deliver)) {
    this.#carry = carry;
  }

  join(node: NodeId, parts: { clock: Clock; log: Log }): Bus {
    const carrier = {
      publish: (beat: Uint8Array) => {
        for (const to of this.#nodes.keys()) this.#bring(node, to, (there) => there.heard(beat));
      },
      send: (to: NodeId, message: Uint8Array) =>
        this.#bring(node, to, (there) => there.received(message)),
    };
    const meetings = new Meetings(node, carrier, parts);
    return {
      node,
      listen: (listener) => {
        this.#nodes.set(node, meetings);
        meetings.listen(listener);
      },
      send: (to, message) => meetings.send(to, message),
    };
  }

  /** It is no more; the others notice in their time. */
  kill(node: NodeId): void {
    this.#nodes.delete(node);
    this.#cut.delete(node);
  }

  /** It says that it goes. */
  leave(node: NodeId): void {
    this.#nodes.get(node)?.close();
  }

  /** Nothing comes from it or to it. */
  cut(node: NodeId): void {
    this.#cut.add(node);
  }

  heal(node: NodeId): void {
    this.#cut.delete(node);
  }

  /** Nothing that the one says comes to the other. */
  part(from: NodeId, to: NodeId): void {
    this.#lost.add(`${from} ${to}`);
  }

  rejoin(from: NodeId, to: NodeId): void {
    this.#lost.delete(`${from} ${to}`);
  }

  #bring(from: NodeId, to: NodeId, bring: (there: Meetings) => void): void {
    const there = this.#nodes.get(to);
    if (from === to || !there) return;
    this.#carry(() => {
      const lost = this.#lost.has(`${from} ${to}`) || this.#cut.has(from) || this.#cut.has(to);
      if (!lost && this.#nodes.get(to) === there) bring(there);
    }, to);
  }
}
