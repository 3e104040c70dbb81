/** What the relay says when a device asks whether their copies of a log are the same. */
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { SWEEP_MS } from "../../relay/core/bounds.js";
import {
  digestOfPairs,
  digestOfStretch,
  type Pair,
  piecesOf,
  type Stretch,
} from "../../shared/digest.js";
import type { ConversationId } from "../../shared/ids.js";
import { nodeCrypto } from "../../shared/node/runtime.js";
import { type Client, World } from "./world.js";

const DAY_MS = 86_400_000;
const club = "c1".repeat(16) as ConversationId;
let world: World;
let alice: Client;
let bob: Client;
let talk: ConversationId;

async function begin(retention: "forever" | "delivered" = "forever"): Promise<void> {
  world = await World.open({ retention, heartbeatMs: 100 * DAY_MS });
  alice = await world.person("alice");
  bob = await world.person("bob");
  talk = await alice.open(bob.userId);
}
beforeEach(() => begin());
afterEach(() => world.relay.stop());

async function write(count: number, firstN = 1): Promise<void> {
  for (let done = 0; done < count; done += 200) {
    const texts = Array.from({ length: Math.min(200, count - done) }, () => "x");
    await alice.append(talk, firstN + done, texts);
  }
}

/** Alice's own entries alone: the nth stands at the nth place. */
const pairs = ({ from, to }: Stretch): Pair[] =>
  Array.from({ length: to - from + 1 }, (_, i) => ({
    seq: from + i,
    deviceId: alice.key.deviceId,
    n: from + i,
  }));
const digests = (stretch: Stretch) =>
  piecesOf(stretch).map((piece) => digestOfPairs(nodeCrypto, pairs(piece)));
const ask = (who: Client, { from, to }: Stretch, digest: Uint8Array, conversationId = talk) =>
  who.ask({ type: "compareLog", conversationId, fromSeq: from, toSeq: to, digest });
const WRONG = new Uint8Array(32);

it("says nothing but that it is the same, or the digest of each block", async () => {
  await write(600);
  const all = { from: 1, to: 600 };
  const right = digestOfStretch(nodeCrypto, digests(all));
  expect(await ask(bob, all, right)).toMatchObject({ from: 1, to: 600, pieces: [] });
  expect(await ask(bob, all, WRONG)).toMatchObject({ from: 1, to: 600, pieces: digests(all) });
  const part = { from: 100, to: 599 };
  expect(await ask(bob, part, WRONG)).toMatchObject({ ...part, pieces: digests(part) });
});

it("compares as far as the log goes", async () => {
  await write(10);
  const right = digestOfStretch(nodeCrypto, digests({ from: 1, to: 10 }));
  expect(await ask(bob, { from: 1, to: 99 }, right)).toMatchObject({ from: 1, to: 10, pieces: [] });
  expect(await ask(bob, { from: 11, to: 99 }, right)).toMatchObject({ from: 1, to: 0 });
});

it("reads whole blocks once", async () => {
  await write(600);
  const reads = vi.spyOn(world.store.logs, "entries");
  const first = await ask(bob, { from: 1, to: 600 }, WRONG);
  const all = reads.mock.calls.length;
  const again = await ask(alice, { from: 1, to: 600 }, WRONG);
  expect({ ...again, requestId: 0 }).toEqual({ ...first, requestId: 0 });
  expect(reads.mock.calls.length - all).toBeLessThan(all / 4);
});

it("answers while nothing can be written", async () => {
  await write(256);
  world.kv.failure = new Error("full");
  const all = { from: 1, to: 256 };
  expect(await ask(bob, all, WRONG)).toMatchObject({ pieces: digests(all) });
  world.kv.failure = null;
});

it("begins where what is kept begins", async () => {
  world.relay.stop();
  await begin("delivered");
  await write(300);
  for (const who of [alice, bob]) {
    await who.ask({ type: "moveCursors", conversationId: talk, deliveredUpTo: 280, readUpTo: 0 });
  }
  await vi.waitFor(async () => {
    world.clock.advance(SWEEP_MS);
    expect((await world.store.logs.conversation(talk))?.first).toBe(281);
  });
  const rest = { from: 281, to: 300 };
  expect(await ask(bob, { from: 1, to: 300 }, WRONG)).toMatchObject({
    ...rest,
    pieces: digests(rest),
  });
  const right = digestOfStretch(nodeCrypto, digests(rest));
  expect(await ask(bob, rest, right)).toMatchObject({ ...rest, pieces: [] });
});

it("tells a member of its own part of a group's log, and others of nothing", async () => {
  const carol = await world.person("carol");
  const dave = await world.person("dave");
  for (const who of [bob, carol, dave]) await alice.open(who.userId);
  await alice.createGroup(club, [bob.userId]);
  await alice.append(club, 1, ["one", "two"]);
  await alice.change(club, 1, { adds: [carol.userId] });
  await alice.append(club, 3, ["three"]);
  const all = { from: 1, to: 9 };
  expect(await ask(bob, all, WRONG, club)).toMatchObject({ from: 1, to: 5 });
  expect(await ask(carol, all, WRONG, club)).toMatchObject({ from: 4, to: 5 });
  expect(await ask(dave, all, WRONG, club)).toMatchObject({ code: "not_a_member" });
  await alice.change(club, 2, { removes: [carol.userId] });
  await alice.append(club, 4, ["four"]);
  expect(await ask(carol, all, WRONG, club)).toMatchObject({ from: 4, to: 6 });
  expect(await ask(carol, { from: 7, to: 9 }, WRONG, club)).toMatchObject({ from: 1, to: 0 });
});
