/** Nodes that meet on a bus which loses messages and says nothing of it. */
import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import type { Bus } from "../../../relay/core/cluster/bus.js";
import type { NodeId } from "../../../relay/core/cluster/ring.js";
import { fromUtf8, utf8 } from "../../../shared/bytes.js";
import type { Clock } from "../../../shared/runtime.js";
import { ManualClock } from "../world.js";
import { LossyBusHub } from "./lossy-bus.js";

const log = { debug() {}, info() {}, warn() {}, error() {} };
const nameOf = (digit: number): NodeId => String(digit).repeat(32) as NodeId;

let clock: ManualClock;
let hub: LossyBusHub;

class Node {
  readonly id: NodeId;
  readonly bus: Bus;
  readonly heard: string[] = [];
  /** Every list of the others that it was told, newest last. */
  readonly told: string[] = [];
  /** What it has heard of each other node, and said to it, since it last met that one. */
  readonly #since = new Map<NodeId, { heard: string[]; said: string[] }>();

  constructor(digit: number, own: Clock = clock) {
    this.id = nameOf(digit);
    this.bus = hub.join(this.id, { clock: own, log });
    this.bus.listen({
      received: (from, message) => {
        this.heard.push(`${from[0]} ${fromUtf8(message)}`);
        this.#since.get(from)?.heard.push(fromUtf8(message));
      },
      members: (nodes) => {
        this.told.push(
          nodes
            .slice(1)
            .map((node) => node[0])
            .sort()
            .join(""),
        );
        for (const node of this.#since.keys()) if (!nodes.includes(node)) this.#since.delete(node);
        for (const node of nodes)
          if (!this.#since.has(node)) this.#since.set(node, { heard: [], said: [] });
      },
    });
  }

  get others(): string {
    return this.told.at(-1) ?? "";
  }

  heardOf(node: Node): readonly string[] {
    return this.#since.get(node.id)?.heard ?? [];
  }

  saidTo(node: Node): readonly string[] {
    return this.#since.get(node.id)?.said ?? [];
  }

  say(to: Node, text: string): void {
    this.#since.get(to.id)?.said.push(text);
    this.bus.send(to.id, utf8(text));
  }
}

/** Also for a clock that has all that is due at one moment. */
const wait = (ms: number): void => {
  for (let left = ms; left > 0; left -= 10) clock.advance(Math.min(10, left));
};

beforeEach(() => {
  clock = new ManualClock();
  // What is sent has come before time goes on.
  hub = new LossyBusHub((deliver) => clock.after(1, deliver));
});

const meet = (count: number): Node[] => {
  const nodes = Array.from({ length: count }, (_, i) => new Node(i + 1));
  wait(1_000);
  return nodes;
};

describe("nodes that meet", () => {
  it("know all within a second, and hear each other in order", () => {
    const [one, two, three] = meet(3) as [Node, Node, Node];
    expect([one, two, three].map(({ others }) => others)).toEqual(["23", "13", "12"]);
    for (let i = 0; i < 100; i++) one.say(two, String(i));
    wait(10);
    expect(two.heard).toEqual(Array.from({ length: 100 }, (_, i) => `1 ${i}`));
    expect(three.heard).toEqual([]);
    wait(60_000);
    // Nobody is met twice where nothing is lost.
    expect(two.told.filter((each) => each === "13")).toHaveLength(1);
  });

  it("miss one that is gone, and one that says so at once", () => {
    const [one, two, three] = meet(3) as [Node, Node, Node];
    hub.kill(two.id);
    wait(5_000);
    expect(one.others).toBe("3");
    hub.leave(three.id);
    hub.kill(three.id);
    wait(10);
    expect(one.others).toBe("");
  });

  it("do not hear one that does not hear them", () => {
    const [one, two, three] = meet(3) as [Node, Node, Node];
    hub.part(one.id, two.id);
    wait(6_000);
    expect([one, two, three].map(({ others }) => others)).toEqual(["3", "3", "12"]);
    hub.rejoin(one.id, two.id);
    wait(2_000);
    expect([one, two, three].map(({ others }) => others)).toEqual(["23", "13", "12"]);
  });
});

describe("what is lost", () => {
  const losses = [
    ["and more follows", (one: Node, two: Node) => one.say(two, "after")],
    ["and nothing follows but heartbeats", () => {}],
  ] as const;

  it.each(losses)("for a moment, %s: both begin anew", (_, follow) => {
    const [one, two, three] = meet(3) as [Node, Node, Node];
    const before = [one, two, three].map(({ told }) => told.length);
    hub.part(one.id, two.id);
    one.say(two, "lost");
    wait(10);
    hub.rejoin(one.id, two.id);
    follow(one, two);
    wait(4_000);
    expect(one.told.slice(before[0])).toEqual(["3", "23"]);
    expect(two.told.slice(before[1])).toEqual(["3", "13"]);
    // Between the others nothing was lost.
    expect(three.told).toHaveLength(before[2] as number);
    expect(two.heard).toEqual([]);
    one.say(two, "heard");
    wait(10);
    expect(two.heard).toEqual(["1 heard"]);
  });

  it("of heartbeats alone is no reason to begin anew", () => {
    const [one, two] = meet(2) as [Node, Node];
    const before = [one.told.length, two.told.length];
    hub.part(one.id, two.id);
    wait(2_000);
    hub.rejoin(one.id, two.id);
    wait(10_000);
    expect([one.told.length, two.told.length]).toEqual(before);
  });

  it("is never passed over, whatever is lost, and all meet again", () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant("part" as const), from: fc.nat(2), to: fc.nat(2) }),
      fc.record({ do: fc.constant("rejoin" as const), from: fc.nat(2), to: fc.nat(2) }),
      fc.record({ do: fc.constant("say" as const), from: fc.nat(2), to: fc.nat(2) }),
      fc.record({ do: fc.constant("wait" as const), from: fc.nat(4_000), to: fc.constant(0) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        clock = new ManualClock();
        hub = new LossyBusHub((deliver) => clock.after(1, deliver));
        const nodes = meet(3);
        let words = 0;
        for (const { do: what, from, to } of steps) {
          const [one, two] = [nodes[from], nodes[to]] as [Node, Node];
          if (what === "wait") wait(from);
          else if (one === two) continue;
          else if (what === "part") hub.part(one.id, two.id);
          else if (what === "rejoin") hub.rejoin(one.id, two.id);
          else one.say(two, String(++words));
        }
        for (const one of nodes) for (const two of nodes) hub.rejoin(one.id, two.id);
        wait(8_000);
        expect(nodes.map(({ others }) => others)).toEqual(["23", "13", "12"]);
        for (const one of nodes) {
          for (const two of nodes) expect(two.heardOf(one)).toEqual(one.saidTo(two));
        }
        const told = nodes.map((node) => node.told.length);
        wait(8_000);
        expect(nodes.map((node) => node.told.length)).toEqual(told);
      }),
      { numRuns: 60 },
    );
  });
});
