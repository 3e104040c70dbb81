/** History between two devices of one user: the client on stage, the other device in the test's hands. */
import { expect, test } from "vitest";
import { type Body, encodeContent } from "../../electron/client/content.js";
import { type DirectFrame, directFrames } from "../../electron/client/direct-frames.js";
import { SESSION_BYTES, sealSignal } from "../../electron/client/signals.js";
import type { DeviceId, UserId } from "../../shared/ids.js";
import type { SequencedEntry } from "../../shared/protocol.js";
import { ids, newKey, Stage, settled } from "./stage.js";

const author = "dd".repeat(16) as DeviceId;
const HEAD = 500;

const content = (body: Body, counter = 0): Uint8Array =>
  encodeContent({ clock: { wall: 1_800_000_000_000, counter }, sentAt: 1, body });
const entry = (seq: number, n = seq): SequencedEntry => ({
  ...{
    seq,
    n,
    userId: ids.bob,
    deviceId: author,
    at: 1,
    ttl: 0,
    rights: "change" as const,
    membership: null,
  },
  payload: content({ type: "text", text: `entry ${seq}` }, seq),
});
const entries = (first: number, last: number): SequencedEntry[] =>
  Array.from({ length: last - first + 1 }, (_, i) => entry(first + i));

type Of<T extends DirectFrame["type"]> = Extract<DirectFrame, { type: T }>;

/** The device at the other end of the channel. */
class Other {
  readonly stage: Stage;
  readonly #channel: Stage["channels"][number];

  private constructor(stage: Stage, channel: Stage["channels"][number]) {
    this.stage = stage;
    this.#channel = channel;
  }

  static async connected(stage: Stage, userId: UserId): Promise<Other> {
    const key = newKey();
    const session = new Uint8Array(SESSION_BYTES).fill(7);
    const signal = { session, kind: "offer", index: 0, data: Uint8Array.of(1) } as const;
    const payload = sealSignal(key, stage.key.deviceId, signal);
    await stage.tell({ type: "signal", userId, deviceId: key.deviceId, payload });
    const channel = stage.channels.at(-1);
    if (!channel) throw new Error("no channel was opened");
    channel.events.open();
    await settled();
    return new Other(stage, channel);
  }

  async say(frame: DirectFrame): Promise<void> {
    this.#channel.events.message(directFrames.encode(frame));
    await settled();
  }

  async goAway(): Promise<void> {
    this.#channel.events.closed("gone");
    await settled();
  }

  heard<T extends DirectFrame["type"]>(type: T): Of<T>[] {
    return this.#channel.sent
      .map((bytes) => directFrames.decode(bytes))
      .filter((frame) => frame.type === type) as Of<T>[];
  }

  /** What was asked for last. */
  get asked(): Of<"getLog"> {
    const last = this.heard("getLog").at(-1);
    if (!last) throw new Error("nothing was asked for");
    return last;
  }

  async give(given: readonly SequencedEntry[], { request, fromSeq } = this.asked): Promise<void> {
    const first = given[0]?.seq ?? fromSeq;
    await this.say({
      type: "logPage",
      ...{ request, conversationId: ids.talk, first, entries: [...given] },
    });
  }
}

/** Another own device is connected, and the log is longer than what is here. */
async function behind(head = HEAD): Promise<Other> {
  const stage = await Stage.withTalk();
  const laptop = await Other.connected(stage, ids.alice);
  await stage.tell({ type: "conversation", stamp: 2, conversation: stage.talk(head) });
  return laptop;
}

const seqs = async (stage: Stage) => (await stage.messages()).map(({ seq }) => seq);
const upTo = async ({ client }: Stage) =>
  (await client.call("conversations.list", {}))[0]?.lastMessage?.seq;
const page = (given: SequencedEntry[], head = HEAD) =>
  ({ type: "page", head, first: given[0]?.seq ?? head + 1, entries: given }) as const;

test("what is missing in bulk is asked of it, and the end compared with the relay's", async () => {
  const laptop = await behind();
  const { stage } = laptop;
  expect(laptop.asked).toMatchObject({ conversationId: ids.talk, fromSeq: 1 });
  expect(stage.has("getEntries")).toBe(false);
  await laptop.give(entries(1, 300));
  expect(laptop.asked).toMatchObject({ fromSeq: 301, total: HEAD });
  await laptop.give(entries(301, HEAD));
  await laptop.give([]);
  expect(stage.last("getEntries")).toMatchObject({ fromSeq: HEAD });
  await stage.answer("getEntries", page([entry(HEAD)]));
  expect(await seqs(stage)).toEqual(entries(1, HEAD).map(({ seq }) => seq));
  expect(stage.sent.filter(({ type }) => type === "getEntries")).toHaveLength(1);
});

test("it is told by its progress and not message by message, until it is over", async () => {
  const laptop = await behind();
  const { stage } = laptop;
  await laptop.give(entries(1, 400));
  await stage.clock.pass(300);
  await laptop.give(entries(401, HEAD - 1));
  await laptop.give([]);
  await stage.clock.pass(1_500);
  const told = stage.events.flatMap(({ event, data }) =>
    event === "transfer.changed" ? [data.transfers] : [],
  );
  expect(told[0]).toMatchObject([{ direction: "receiving", done: 400, total: HEAD }]);
  expect(told.at(-2)).toMatchObject([{ done: HEAD - 1 }]);
  expect(told.at(-1)).toEqual([]);
  expect(stage.events.some(({ event }) => event === "message.added")).toBe(false);
  await stage.answer("getEntries", page([entry(HEAD - 1), entry(HEAD)]));
  expect(stage.events.filter(({ event }) => event === "message.added")).toHaveLength(1);
});

test.each([
  ["goes away", (laptop: Other) => laptop.goAway()],
  ["does not answer", (laptop: Other) => laptop.stage.clock.pass(8_000)],
  ["gives a page with a hole", (laptop: Other) => laptop.give([entry(401), entry(403)])],
  ["gives what was not asked for", (laptop: Other) => laptop.give(entries(1, 100))],
])("where it %s half-way, the relay gives the rest", async (_what, fault) => {
  const laptop = await behind();
  const { stage } = laptop;
  await laptop.give(entries(1, 400));
  await fault(laptop);
  expect(stage.last("getEntries")).toMatchObject({ fromSeq: 400 });
  await stage.answer("getEntries", page(entries(400, HEAD)));
  expect(await upTo(stage)).toBe(HEAD);
});

test("of two devices, the one whose log begins earlier gives it", async () => {
  const stage = await Stage.withTalk();
  const phone = await Other.connected(stage, ids.alice);
  const laptop = await Other.connected(stage, ids.alice);
  await stage.tell({ type: "conversation", stamp: 2, conversation: stage.talk(HEAD) });
  await phone.give(entries(100, HEAD));
  await laptop.give(entries(1, 300));
  expect(laptop.asked.fromSeq).toBe(301);
  expect(phone.heard("getLog")).toHaveLength(1);
});

test("what the relay keeps no more is asked of it, however little", async () => {
  const laptop = await behind(7);
  const { stage } = laptop;
  expect(laptop.heard("getLog")).toEqual([]);
  await stage.answer("getEntries", page(entries(6, 7), 7));
  await laptop.give(entries(1, 5));
  await laptop.give([]);
  await stage.answer("getEntries", page(entries(6, 7), 7));
  expect(await seqs(stage)).toEqual([1, 2, 3, 4, 5, 6, 7]);
});

test("an end that is not the relay's is given up for the relay's", async () => {
  const laptop = await behind();
  const { stage } = laptop;
  await laptop.give([...entries(1, HEAD - 1), entry(HEAD, 5_000)]);
  await laptop.give([]);
  await stage.answer("getEntries", page([entry(HEAD)]));
  // It halves until it knows how far the two are the same.
  for (let i = 0; i < 12 && stage.last("getEntries").limit === 1; i++) {
    await stage.answer("getEntries", page([entry(stage.last("getEntries").fromSeq)]));
  }
  await stage.answer("getEntries", page(entries(HEAD - 1, HEAD)));
  // Nothing is lost: what the relay does not have waits for a place.
  expect((await stage.messages()).slice(-2)).toMatchObject([
    { messageId: `${ids.talk}.${author}.${HEAD}`, seq: HEAD },
    { messageId: `${ids.talk}.${author}.5000`, seq: null },
  ]);
});

test("what was deleted for everyone is a deleted line here, too", async () => {
  const giving = await Stage.withTalk();
  const erasure = { ...entry(2), payload: content({ type: "erase", target: entry(1) }) };
  await giving.tell({
    type: "entries",
    ...{ stamp: 2, conversationId: ids.talk, entries: [entry(1), erasure] },
  });
  const asking = await Other.connected(giving, ids.alice);
  const ask = { type: "getLog", conversationId: ids.talk, fromSeq: 1, done: 0, total: 0 } as const;
  await asking.say({ ...ask, request: 1 });
  const given = asking.heard("logPage")[0]?.entries ?? [];
  expect(given).toHaveLength(2);

  const laptop = await behind();
  await laptop.give(given);
  expect(await laptop.stage.messages()).toMatchObject([{ seq: 1, deleted: true, text: "" }]);
});

test("a device of the same user gets a log in pages, a device of another gets nothing", async () => {
  const stage = await Stage.withTalk();
  await stage.tell({
    type: "entries",
    ...{ stamp: 2, conversationId: ids.talk, entries: entries(1, 100) },
  });
  const laptop = await Other.connected(stage, ids.alice);
  const bob = await Other.connected(stage, ids.bob);
  const ask = { type: "getLog", conversationId: ids.talk, fromSeq: 40, done: 0, total: 0 } as const;
  await laptop.say({ ...ask, request: 3 });
  await laptop.say({ ...ask, request: 4, fromSeq: 101 });
  await bob.say({ ...ask, request: 3 });
  expect(laptop.heard("logPage")).toEqual([
    { type: "logPage", request: 3, conversationId: ids.talk, first: 40, entries: entries(40, 100) },
    { type: "logPage", request: 4, conversationId: ids.talk, first: 101, entries: [] },
  ]);
  expect(bob.heard("logPage")).toEqual([]);
});
