/** The nodes of a relay on one store: each with its own life, on a bus that takes its time. */
import type { Bus } from "../../relay/core/cluster/bus.js";
import type { NodeId } from "../../relay/core/cluster/ring.js";
import type { Relay } from "../../relay/core/relay.js";
import { toHex } from "../../shared/bytes.js";
import type { Clock, Log } from "../../shared/runtime.js";
import { LossyBusHub } from "../relay/cluster/lossy-bus.js";
import { MemoryBusHub } from "../relay/cluster/memory-bus.js";
import type { Life, Network } from "./network.js";
import type { Prng, VirtualTime } from "./virtual-time.js";

/** Milliseconds until the others notice that a node is gone, at the most. */
const NOTICE_MS = 3_000;

/** Milliseconds over which a node is drained, at the most. */
const DRAIN_MS = 10_000;

interface Node {
  readonly id: NodeId;
  readonly life: Life;
  readonly core: Relay;
  /** Resolves when it was killed or has ended. */
  readonly end: Promise<void>;
  readonly ended: () => void;
  /** It drains or stops. */
  leaving: boolean;
}

interface Parts {
  readonly time: VirtualTime;
  readonly random: Prng;
  readonly network: Network;
  note(line: string): void;
  /** What a node has besides: it ends with its life. */
  runtime(life: Life): { readonly clock: Clock; readonly log: Log };
  /** What a node is called that begins there, where its name says more than that it is one. */
  nameAt?(which: number): NodeId;
  /** A node that begins, on the store that all share. */
  begin(which: number, life: Life, bus: Bus | undefined): Relay;
  ended?(which: number): void;
}

export class RelayNodes {
  readonly #parts: Parts;
  readonly #nodes: (Node | null)[];
  /** What loses messages and does not say so, or for workers what tells them of every break. */
  readonly #hub: LossyBusHub | MemoryBusHub;
  readonly #cut = new Set<NodeId>();
  /** Ways between two nodes on which nothing comes through. */
  readonly #parted = new Set<readonly [NodeId, NodeId]>();
  #healedAt = Number.NEGATIVE_INFINITY;

  constructor(count: number, parts: Parts) {
    this.#parts = parts;
    const { time, random } = parts;
    const arrivals = new Map<NodeId, number>();
    const carry = (deliver: () => void, to: NodeId): void => {
      // Of one moment they stay in order.
      const arrival = Math.max(arrivals.get(to) ?? 0, time.now + random.between(1, 20));
      arrivals.set(to, arrival);
      time.after(arrival - time.now, deliver);
    };
    this.#hub = parts.nameAt
      ? new MemoryBusHub(carry, (tell) => time.after(random.between(10, NOTICE_MS), tell))
      : new LossyBusHub(carry);
    this.#nodes = Array.from({ length: count }, () => null);
  }

  get isCluster(): boolean {
    return this.#nodes.length > 1;
  }

  /** One that is about to go does not do so later. */
  startAll(): void {
    for (const [which, node] of this.#nodes.entries()) {
      if (node?.leaving) this.kill(which);
      this.start(which);
    }
  }

  start(which: number): void {
    if (this.#nodes[which]) return;
    const { network } = this.#parts;
    const life = { alive: true };
    const id = this.#nameAt(which);
    const bus = this.isCluster ? this.#hub.join(id, this.#parts.runtime(life)) : undefined;
    const core = this.#parts.begin(which, life, bus);
    let ended = (): void => {};
    const end = new Promise<void>((resolve) => {
      ended = resolve;
    });
    this.#nodes[which] = { id, life, core, end, ended, leaving: false };
    network.relays = this.#listening();
    if (this.isCluster) this.#parts.note(`node ${which} starts`);
  }

  kill(which: number): void {
    const node = this.#nodes[which];
    if (!node) return;
    if (this.isCluster) this.#parts.note(`node ${which} is killed`);
    this.#end(which, node);
  }

  killAll(): void {
    for (const which of this.#nodes.keys()) this.kill(which);
  }

  async stop(which: number): Promise<void> {
    const node = this.#nodes[which];
    if (!node) return;
    this.#parts.note(`node ${which} is stopped`);
    await stopped(node);
    if (this.#nodes[which] !== node) return;
    if (this.#hub instanceof LossyBusHub) this.#hub.leave(node.id);
    this.#end(which, node);
  }

  /** Its clients go one after the other, and it with the last. */
  async drain(which: number, withinMs: number): Promise<void> {
    const node = this.#nodes[which];
    if (!node) return;
    this.#parts.note(`node ${which} drains`);
    node.leaving = true;
    await node.core.drain(withinMs);
    if (this.#nodes[which] === node) await this.stop(which);
  }

  stopAll(): Promise<unknown> {
    return Promise.all(this.#nodes.map((node) => node && stopped(node)));
  }

  /** Whether one does not hear the others, or did not within the last so many milliseconds. */
  wasSplit(withinMs: number): boolean {
    const split = this.#cut.size + this.#parted.size > 0;
    return split || this.#parts.time.now - this.#healedAt < withinMs;
  }

  /** It and the others do not hear each other: for a while all believe that they own its shards. */
  cut(which: number): void {
    const node = this.#nodes[which];
    if (!node) return;
    this.#parts.note(`node ${which} is cut off`);
    this.#cut.add(node.id);
    this.#hub.cut(node.id);
  }

  /** Workers notice every break. */
  get canPart(): boolean {
    return this.#hub instanceof LossyBusHub;
  }

  /** What the one says is lost to the other, which is not told so. */
  part(from: number, to: number, forMs: number): void {
    const { time, note } = this.#parts;
    const [one, two] = [this.#nodes[from]?.id, this.#nodes[to]?.id];
    if (!one || !two || one === two || !(this.#hub instanceof LossyBusHub)) return;
    note(`node ${to} does not hear node ${from}`);
    const way = [one, two] as const;
    this.#parted.add(way);
    this.#hub.part(...way);
    time.after(forMs, () => {
      if (this.#parted.has(way)) this.#rejoin(way);
    });
  }

  #rejoin(way: readonly [NodeId, NodeId]): void {
    this.#parted.delete(way);
    this.#healedAt = this.#parts.time.now;
    const still = [...this.#parted].some(([from, to]) => from === way[0] && to === way[1]);
    if (!still && this.#hub instanceof LossyBusHub) this.#hub.rejoin(...way);
  }

  heal(): void {
    if (this.#cut.size > 0) this.#healedAt = this.#parts.time.now;
    for (const id of this.#cut) this.#hub.heal(id);
    this.#cut.clear();
    for (const way of [...this.#parted]) this.#rejoin(way);
  }

  #end(which: number, node: Node): void {
    const { network } = this.#parts;
    node.life.alive = false;
    node.ended();
    this.#parts.ended?.(which);
    this.#nodes[which] = null;
    this.#cut.delete(node.id);
    this.#hub.kill(node.id);
    network.relays = this.#listening();
    network.ended(node.life);
  }

  #nameAt(which: number): NodeId {
    if (!this.isCluster) return "" as NodeId;
    const { random, nameAt } = this.#parts;
    return nameAt?.(which) ?? (toHex(random.bytes(16)) as NodeId);
  }

  #listening(): Node[] {
    return this.#nodes.filter((node) => node !== null);
  }
}

/** Also where it is killed before it has done what it had to do for that. */
function stopped(node: Node): Promise<void> {
  node.leaving = true;
  return Promise.race([node.core.stop(), node.end]);
}

/** What goes wrong with nodes alone. */
export function strikeNode(nodes: RelayNodes, count: number, random: Prng): string {
  const which = random.between(0, count - 1);
  const picked = random.pick([
    "killed",
    "started",
    "cut off",
    "cut off",
    "parted",
    "parted",
    "parted",
    "healed",
    "stopped",
    "drained",
  ] as const);
  const kind = picked === "parted" && !nodes.canPart ? "cut off" : picked;
  if (kind === "killed") nodes.kill(which);
  else if (kind === "started") nodes.start(which);
  else if (kind === "cut off") nodes.cut(which);
  else if (kind === "parted") {
    const other = (which + random.between(1, count - 1)) % count;
    // Shorter or longer than it takes to hold a node for gone.
    const forMs = random.chance(0.6) ? random.between(1, 3_000) : random.between(3_000, 10_000);
    nodes.part(which, other, forMs);
    if (random.chance(0.5)) nodes.part(other, which, forMs);
  } else if (kind === "healed") nodes.heal();
  else if (kind === "stopped") void nodes.stop(which);
  else void nodes.drain(which, random.between(0, DRAIN_MS));
  return `node ${kind}`;
}
