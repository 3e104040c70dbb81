/** The history that a new device gets directly from another device of the account. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { encodeContent } from "../../electron/client/content.js";
import type { ConversationId } from "../../shared/ids.js";
import { MAX_ENTRIES } from "../../shared/limits.js";
import { Client, remote } from "../relay/world.js";
import { NO_LIMITS, type Person, type Relay, Scene, until } from "./processes.js";

const COUNT = 12_000;
let scene: Scene;
let relay: Relay;
let alice: Person;
let conversationId: ConversationId;

/** All of it is on a device. */
const whole = (person: Person) =>
  until(
    "the whole history is there",
    async () => {
      const list = await person.client.call("conversations.list", {});
      const found = list.find((each) => each.conversationId === conversationId);
      return found?.lastMessage?.seq === COUNT && found.behind === 0;
    },
    Boolean,
  );

const received = ({ client }: Person): number =>
  Math.max(
    0,
    ...client
      .events("transfer.changed")
      .flatMap(({ transfers }) => transfers)
      .filter(({ direction }) => direction === "receiving")
      .map(({ done }) => done),
  );

beforeEach(async () => {
  scene = new Scene();
  relay = await scene.relay({ data: await scene.folder(), args: NO_LIMITS });
  alice = await scene.person("alice", relay.url);
  const bob = new Client(remote(relay.url));
  await bob.register("bob");
  const found = await bob.ask({ type: "searchUsers", prefix: "alice", limit: 1 });
  if (found.type !== "people" || !found.people[0]) throw new Error("alice is not there");
  conversationId = await bob.open(found.people[0].userId);
  for (let first = 1; first <= COUNT; first += MAX_ENTRIES) {
    const entries = Array.from({ length: MAX_ENTRIES }, (_, i) => ({
      deviceId: bob.key.deviceId,
      n: first + i,
      ttl: 0,
      signature: null,
      payload: encodeContent({
        clock: { wall: 1_700_000_000_000 + first + i, counter: 0 },
        sentAt: 1_700_000_000_000 + first + i,
        body: { type: "text", text: `message ${first + i}` },
      }),
    }));
    await bob.ask({ type: "append", conversationId, entries, heldBy: [] });
    bob.frames.length = 0;
  }
  await whole(alice);
});
afterEach(() => scene.end());

const texts = async (person: Person) =>
  (await person.client.messages(conversationId)).map(({ messageId, seq, text }) => [
    messageId,
    seq,
    text,
  ]);

test("all of it comes directly, with progress and an estimate", async () => {
  const laptop = await scene.link(alice, relay.url);
  await whole(laptop);
  // All but what the relay has brought before the channel was open, which may be much on a busy machine.
  expect(received(laptop)).toBeGreaterThan(COUNT / 10);
  const steps = laptop.client.events("transfer.changed").flatMap(({ transfers }) => transfers);
  expect(steps.some(({ remainingMs }) => remainingMs !== null)).toBe(true);
  for (const { done, total } of steps) expect(done).toBeLessThanOrEqual(total);
  await until(
    "both say that it is over",
    () => [laptop, alice].map(({ client }) => client.events("transfer.changed").at(-1)),
    (last) => last.every((each) => each?.transfers.length === 0),
  );
  const sent = alice.client.events("transfer.changed").flatMap(({ transfers }) => transfers);
  expect(sent.map(({ direction }) => direction)).toContain("sending");
  expect(await texts(laptop)).toEqual(await texts(alice));
});

test("it is all there once, also where the other device is killed half-way", async () => {
  const laptop = await scene.link(alice, relay.url);
  await until(
    "some of it has come",
    () => received(laptop),
    (done) => done > 0,
  );
  await alice.client.kill();
  await whole(laptop);
  const again = await scene.again(alice, relay.url);
  await whole(again);
  expect(await texts(laptop)).toEqual(await texts(again));
});
