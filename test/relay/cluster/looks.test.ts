import { beforeEach, expect, it } from "vitest";
import { Looks } from "../../../relay/core/cluster/looks.js";
import { type NodeMessage, nodeMessages } from "../../../relay/core/cluster/messages.js";
import type { NodeId } from "../../../relay/core/cluster/ring.js";
import { DovetailError } from "../../../shared/errors.js";
import type { UserId } from "../../../shared/ids.js";
import { ManualClock } from "../world.js";

const HERE = "1".repeat(32) as NodeId;
const THERE = "2".repeat(32) as NodeId;
const user = (number: number) => number.toString(16).padStart(32, "0") as UserId;

let clock: ManualClock;
/** Of all users, wherever they are. */
let stamps: Map<UserId, number>;
let asked: Extract<NodeMessage, { type: "look" }>[];
let answers: (message: Extract<NodeMessage, { type: "look" }>) => Promise<Uint8Array>;
let looks: Looks;

/** Those with even numbers are here. */
const owner = (id: string) => (Number.parseInt(id.slice(-1), 16) % 2 === 0 ? HERE : THERE);
const logs = {
  async newestStamp(userId: UserId) {
    return stamps.get(userId) ?? 0;
  },
};
const nodes = {
  node: HERE,
  owner,
  async ask(to: NodeId, question: (id: number) => NodeMessage) {
    const message = nodeMessages.decode(nodeMessages.encode(question(1)));
    if (message.type !== "look") throw new Error(message.type);
    expect([to, ...message.inboxes.map(({ userId }) => owner(userId))]).not.toContain(HERE);
    asked.push(message);
    return answers(message);
  },
};

beforeEach(() => {
  clock = new ManualClock();
  stamps = new Map();
  asked = [];
  looks = new Looks(nodes, logs, clock);
  const there = new Looks({ ...nodes, node: THERE }, logs, clock);
  answers = ({ inboxes }) => there.answer(inboxes);
});

it("each hears of its own inbox, wherever it is", async () => {
  stamps = new Map([1, 2, 3, 4].map((number) => [user(number), 10]));
  const all = [1, 2, 3, 4, 5, 6].map((number) => looks.hasNews(user(number), number < 3 ? 9 : 10));
  clock.advance(100);
  expect(await Promise.all(all)).toEqual([true, true, false, false, false, false]);
});

it("of what is asked within a moment each node is asked once, and of more than fits in parts", async () => {
  const all = Array.from({ length: 2_000 }, (_, number) => looks.hasNews(user(number), 0));
  clock.advance(99);
  expect(asked).toEqual([]);
  clock.advance(1);
  await Promise.all(all);
  expect(asked.map(({ inboxes }) => inboxes.length)).toEqual([512, 488]);
  const later = looks.hasNews(user(1), 0);
  clock.advance(100);
  await later;
  expect(asked).toHaveLength(3);
});

it("where one node gives no answer, or one that nobody understands, the others are heard", async () => {
  for (const answer of [
    () => Promise.reject(new DovetailError("overloaded")),
    () => Promise.resolve(Uint8Array.of(7)),
  ]) {
    answers = answer;
    const [away, here] = [looks.hasNews(user(1), 0), looks.hasNews(user(2), 0)];
    clock.advance(100);
    await expect(away).rejects.toBeInstanceOf(DovetailError);
    expect(await here).toBe(false);
  }
});
