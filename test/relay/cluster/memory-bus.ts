/** A bus in one process, on which nodes can be killed and cut off. */
import type { Bus, BusListener } from "../../../relay/core/cluster/bus.js";
import type { NodeId } from "../../../relay/core/cluster/ring.js";

interface Seat {
  readonly node: NodeId;
  listener: BusListener | null;
  /** What it sends does not arrive, nor what is sent to it, and it is not told so. */
  cut: boolean;
}

/** Calls back later, for each target in the order of asking. */
type Carry = (deliver: () => void, to: NodeId) => void;

export class MemoryBusHub {
  readonly #carry: Carry;
  readonly #notice: (tell: () => void) => void;
  readonly #seats = new Map<NodeId, Seat>();

  /** `notice`: how the others find out in their time that a node is gone. */
  constructor(
    carry: Carry = (deliver) => queueMicrotask(deliver),
    notice: (tell: () => void) => void = (tell) => tell(),
  ) {
    this.#carry = carry;
    this.#notice = notice;
  }

  join(node: NodeId): Bus {
    const seat: Seat = { node, listener: null, cut: false };
    return {
      node,
      listen: (listener) => {
        seat.listener = listener;
        this.#seats.set(node, seat);
        this.#tellMembers();
      },
      send: (to, message) => {
        const target = this.#seats.get(to);
        if (!target || this.#seats.get(node) !== seat || seat.cut || target.cut) return;
        this.#carry(() => {
          if (this.#seats.get(to) === target && !target.cut)
            target.listener?.received(node, message);
        }, to);
      },
    };
  }

  /** The node is no more, and the others notice. */
  kill(node: NodeId): void {
    if (this.#seats.delete(node)) this.#notice(() => this.#tellMembers());
  }

  /** The node hears nothing and goes on as if it owned what it did; the others hold it for gone. */
  cut(node: NodeId): void {
    const seat = this.#seats.get(node);
    if (!seat || seat.cut) return;
    seat.cut = true;
    this.#notice(() => this.#tellMembers());
  }

  heal(node: NodeId): void {
    const seat = this.#seats.get(node);
    if (!seat?.cut) return;
    // Also where nobody had noticed yet: what was said meanwhile is lost.
    this.#tellMembers();
    seat.cut = false;
    this.#carry(() => seat.listener?.members([node]), node);
    this.#tellMembers();
  }

  #tellMembers(): void {
    const there = [...this.#seats.values()].filter(({ cut }) => !cut);
    const nodes = there.map(({ node }) => node);
    for (const seat of there) {
      this.#carry(() => {
        if (this.#seats.get(seat.node) === seat && !seat.cut) seat.listener?.members(nodes);
      }, seat.node);
    }
  }
}
