/** Stored logs that lack something are compared with the relay's and made whole. */
import { expect, test } from "vitest";
import { type Body, encodeContent } from "../../electron/client/content.js";
import { conversationRow, keys, logRow, originRow, tailRow } from "../../electron/client/rows.js";
import { sameBytes } from "../../shared/bytes.js";
import {
  DIGEST_BLOCK,
  digestOfPairs,
  digestOfStretch,
  piecesOf,
  type Stretch,
} from "../../shared/digest.js";
import { DovetailError } from "../../shared/errors.js";
import type { DeviceId } from "../../shared/ids.js";
import { nodeCrypto } from "../../shared/node/runtime.js";
import type { RelayFrame, SequencedEntry } from "../../shared/protocol.js";
import { ids, Stage, settled } from "./stage.js";

const device = "dd".repeat(16) as DeviceId;
const origin = (n: number) => ({ deviceId: device, n });

const entryOf = (seq: number, body: Body): SequencedEntry => ({
  ...{ seq, userId: ids.bob, ...origin(seq), at: 1, ttl: 0, rights: "change", membership: null },
  payload: encodeContent({ clock: { wall: seq, counter: 0 }, sentAt: 1, body }),
});
const text = (seq: number): SequencedEntry =>
  entryOf(seq, { type: "message", text: `entry ${seq}`, reply: null, forwarded: false });
const edit = (seq: number, of: number): SequencedEntry =>
  entryOf(seq, { type: "edit", target: origin(of), text: `entry ${of}, edited` });
const texts = (count: number) => Array.from({ length: count }, (_, i) => text(i + 1));

/** What a relay with this log says, until nothing more is asked of it. */
class Log {
  readonly stage: Stage;
  readonly entries: readonly SequencedEntry[];
  /** What it keeps begins here. */
  first = 1;
  /** What it was asked, in order. */
  readonly asked: string[] = [];

  constructor(stage: Stage, entries: readonly SequencedEntry[]) {
    this.stage = stage;
    this.entries = entries;
  }

  get head(): number {
    return this.entries.length;
  }

  digests(stretch: Stretch): Uint8Array[] {
    return piecesOf(stretch).map(({ from, to }) =>
      digestOfPairs(nodeCrypto, this.entries.slice(from - 1, to)),
    );
  }

  /** Answers what was sent since the last call, and what that leads to. */
  async serve(): Promise<void> {
    for (let at = 0; at < this.stage.sent.length; at++) {
      const frame = this.stage.sent[at];
      if (frame?.type === "getChanges") {
        const { requestId, after } = frame;
        await this.#tell({
          ...{ type: "changes", requestId, upTo: after, more: false },
          conversations: [],
        });
      }
      if (frame?.type === "compareLog") await this.#tell(this.#compared(frame));
      if (frame?.type === "getEntries") {
        const { requestId, fromSeq, limit } = frame;
        this.asked.push(`entries ${fromSeq}+${limit}`);
        const from = Math.max(fromSeq, this.first);
        const entries = this.entries.slice(from - 1, from - 1 + limit);
        await this.#tell({ type: "page", requestId, head: this.head, first: from, entries });
      }
    }
    this.stage.sent = [];
  }

  async #tell(frame: RelayFrame): Promise<void> {
    await this.stage.tell(frame);
    // Digests take a read of each row.
    await settled();
  }

  #compared({
    requestId,
    fromSeq,
    toSeq,
    digest,
  }: {
    requestId: number;
    fromSeq: number;
    toSeq: number;
    digest: Uint8Array;
  }): RelayFrame {
    const stretch = { from: Math.max(fromSeq, this.first), to: Math.min(toSeq, this.head) };
    this.asked.push(`compare ${fromSeq}-${toSeq}`);
    if (stretch.from > stretch.to) {
      return { type: "compared", requestId, from: 1, to: 0, pieces: [] };
    }
    const pieces = this.digests(stretch);
    const same = stretch.from === fromSeq && sameBytes(digestOfStretch(nodeCrypto, pieces), digest);
    return { type: "compared", requestId, ...stretch, pieces: same ? [] : pieces };
  }
}

interface World {
  readonly stage: Stage;
  readonly log: Log;
}

/** A device that has stored this log, with a relay that has it too. */
async function withLog(entries: readonly SequencedEntry[]): Promise<World> {
  const stage = await Stage.withTalk();
  for (let at = 0; at < entries.length; at += 200) {
    await stage.tell({
      ...{ type: "entries", stamp: 2 + at, conversationId: ids.talk },
      entries: entries.slice(at, at + 200),
    });
  }
  return { stage, log: new Log(stage, entries) };
}

/** The process ends without being able to say so. */
async function kill({ client, store }: Stage): Promise<void> {
  store.failure = new DovetailError("storage_failed");
  await client.close();
  store.failure = null;
}

async function connect(stage: Stage): Promise<void> {
  await stage.challenge();
  await stage.tell({
    ...{ type: "welcome", userId: ids.alice, deviceId: stage.key.deviceId },
    ...{ handle: "alice", displayName: "Alice", iceServers: [], addresses: [] },
    ...{ now: stage.clock.now(), heartbeatMs: 30_000, run: stage.run },
  });
}

async function restart({ stage, log }: World): Promise<void> {
  await kill(stage);
  await stage.start();
  await connect(stage);
  await log.serve();
}

/** Restarted, as far as to what was asked first. */
async function asking(entries: readonly SequencedEntry[]): Promise<World> {
  const world = await withLog(entries);
  await kill(world.stage);
  await world.stage.start();
  await connect(world.stage);
  const { after } = world.stage.last("getChanges");
  const none = { conversations: [], upTo: after, more: false };
  await world.stage.answer("getChanges", { type: "changes", ...none });
  return world;
}

const shownTexts = async (stage: Stage) => (await stage.messages()).map((each) => each.text);

test("equal logs cost one request after an unclean end, and none after a clean one", async () => {
  const world = await withLog(texts(DIGEST_BLOCK + 10));
  await restart(world);
  expect(world.log.asked).toEqual([`compare 1-${DIGEST_BLOCK + 10}`]);
  await world.stage.client.close();
  await restart(world);
  expect(world.log.asked).toHaveLength(1);
  // Only an end is clean, not a start after one.
  await restart(world);
  expect(world.log.asked).toHaveLength(2);
});

test("a relay that was started anew is asked after a clean end, too", async () => {
  const world = await withLog(texts(10));
  await restart(world);
  await world.stage.client.close();
  await restart(world);
  expect(world.log.asked).toHaveLength(1);
  await world.stage.client.close();
  world.stage.run = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
  await restart(world);
  expect(world.log.asked).toHaveLength(2);
});

test("a clean end before the comparison is done does not hide that it was due", async () => {
  const { stage, log } = await asking(texts(3));
  await stage.client.close();
  await stage.start();
  await connect(stage);
  await log.serve();
  expect(log.asked).toEqual(["compare 1-3"]);
});

test("what is unread is counted again after an unclean end", async () => {
  const { stage } = await withLog(texts(3));
  await settled();
  const key = keys.conversation(ids.talk);
  const stored = conversationRow.decode(stage.store.rows.get(key) as Uint8Array);
  expect(stored.unread).toBe(3);
  await kill(stage);
  // The rows were put back, and the end came before their count.
  stage.store.rows.set(key, conversationRow.encode({ ...stored, unread: 2 }));
  await stage.start();
  await settled();
  const { unread } = await stage.client.call("conversations.get", { conversationId: ids.talk });
  expect(unread).toBe(3);
});

test("rows that are missing or cannot be read come back, and only their block is fetched", async () => {
  const count = 2 * DIGEST_BLOCK + 20;
  const world = await withLog(texts(count));
  const { stage, log } = world;
  const before = await shownTexts(stage);
  const [lost, torn] = [DIGEST_BLOCK + 5, DIGEST_BLOCK + 6];
  stage.store.rows.delete(keys.shown(ids.talk, lost));
  stage.store.rows.delete(keys.origin(ids.talk, origin(lost)));
  stage.store.rows.set(keys.shown(ids.talk, torn), Uint8Array.of(255));
  const from = DIGEST_BLOCK + 1;
  await restart(world);
  expect(log.asked).toEqual([
    `compare 1-${count}`,
    `entries ${from}+200`,
    `entries ${from + 200}+${DIGEST_BLOCK - 200}`,
  ]);
  expect(await shownTexts(stage)).toEqual(before);
  const [conversation] = await stage.client.call("conversations.list", {});
  expect(conversation).toMatchObject({ unread: count });
  await restart(world);
  expect(log.asked).toHaveLength(4);
});

test("in a block that differs, a row that says something else is set right and keeps its marks", async () => {
  const world = await withLog([...texts(4), edit(5, 2), edit(6, 3)]);
  const { stage } = world;
  const key = keys.shown(ids.talk, 2);
  const row = logRow.decode(stage.store.rows.get(key) as Uint8Array);
  const wrong = { ...row, direct: true, payload: text(99).payload };
  stage.store.rows.set(key, logRow.encode(wrong));
  stage.store.rows.delete(keys.shown(ids.talk, 1));
  await restart(world);
  const mended = logRow.decode(stage.store.rows.get(key) as Uint8Array);
  expect(mended).toEqual({ ...row, direct: true });
  expect(await shownTexts(stage)).toEqual([
    "entry 1",
    "entry 2, edited",
    "entry 3, edited",
    "entry 4",
  ]);
});

test("a message comes back with what others made of it, before and after", async () => {
  const react = entryOf(4, { type: "react", target: origin(1), emoji: "🎉" });
  const world = await withLog([text(1), text(2), edit(3, 1), react]);
  const { stage } = world;
  const before = await stage.messages();
  stage.store.rows.delete(keys.shown(ids.talk, 1));
  await restart(world);
  expect(await stage.messages()).toEqual(before);
  expect(before[0]).toMatchObject({ text: "entry 1, edited", edited: true });
});

test("a message that was deleted comes back as a deleted one and is not counted", async () => {
  const erase = entryOf(3, { type: "erase", target: origin(1) });
  const world = await withLog([text(1), text(2), erase]);
  const { stage } = world;
  stage.store.rows.delete(keys.shown(ids.talk, 1));
  await restart(world);
  const [first] = await stage.messages();
  expect(first).toMatchObject({ deleted: true, text: "" });
  const stored = logRow.decode(stage.store.rows.get(keys.shown(ids.talk, 1)) as Uint8Array);
  expect(stored.payload).not.toEqual(text(1).payload);
  const [conversation] = await stage.client.call("conversations.list", {});
  expect(conversation).toMatchObject({ unread: 1 });
});

test("a change that is missing with its effect does what it did", async () => {
  const world = await withLog([text(1), edit(2, 1)]);
  const { stage } = world;
  const key = keys.shown(ids.talk, 1);
  const row = logRow.decode(stage.store.rows.get(key) as Uint8Array);
  stage.store.rows.set(key, logRow.encode({ ...row, marks: null }));
  stage.store.rows.delete(keys.quiet(ids.talk, 2));
  await restart(world);
  expect(await shownTexts(stage)).toEqual(["entry 1, edited"]);
});

test("an origin that names another place names its own again", async () => {
  const world = await withLog(texts(3));
  const { stage } = world;
  const key = keys.origin(ids.talk, origin(2));
  stage.store.rows.set(key, originRow.encode(3));
  await restart(world);
  expect(originRow.decode(stage.store.rows.get(key) as Uint8Array)).toBe(2);
});

test("an entry that was lost and came again directly has its place again, and is there once", async () => {
  const world = await withLog(texts(3));
  const { stage } = world;
  stage.store.rows.delete(keys.shown(ids.talk, 2));
  stage.store.rows.delete(keys.origin(ids.talk, origin(2)));
  const { userId, payload } = text(2);
  const waiting = tailRow.encode({
    ...{ userId, ...origin(2), ttl: 0, seq: 0, at: 1, direct: true, floor: "none", read: true },
    ...{ signature: null, heldBy: [], marks: null, payload },
  });
  stage.store.rows.set(keys.tail(ids.talk, origin(2)), waiting);
  await restart(world);
  const messages = await stage.messages();
  expect(messages.map(({ seq, path }) => [seq, path])).toEqual([
    [1, "relay"],
    [2, "direct"],
    [3, "relay"],
  ]);
  expect(stage.store.rows.has(keys.tail(ids.talk, origin(2)))).toBe(false);
});

test("what waits under a number that the log gave to something else stays", async () => {
  const world = await withLog(texts(3));
  const { stage } = world;
  stage.store.rows.delete(keys.shown(ids.talk, 2));
  const { userId } = text(2);
  const waiting = tailRow.encode({
    ...{ userId, ...origin(2), ttl: 0, seq: 0, at: 1, direct: true, floor: "none", read: true },
    ...{ signature: null, heldBy: [], marks: null, payload: text(9).payload },
  });
  stage.store.rows.set(keys.tail(ids.talk, origin(2)), waiting);
  await restart(world);
  expect(await shownTexts(stage)).toEqual(["entry 1", "entry 3", "entry 9"]);
});

test("a hole that the relay can fill by now is filled", async () => {
  const world = await withLog([]);
  const { stage } = world;
  const log = new Log(stage, texts(6));
  log.first = 4;
  await stage.tell({ type: "entries", stamp: 2, conversationId: ids.talk, entries: [text(6)] });
  await log.serve();
  expect(await shownTexts(stage)).toEqual(["entry 4", "entry 5", "entry 6"]);
  log.first = 1;
  await restart({ stage, log });
  expect(await shownTexts(stage)).toEqual(texts(6).map(({ seq }) => `entry ${seq}`));
});

test("what the relay keeps no more is neither missing nor taken away", async () => {
  const world = await withLog(texts(DIGEST_BLOCK + 5));
  const { stage, log } = world;
  const before = await shownTexts(stage);
  log.first = 100;
  await restart(world);
  expect(log.asked).toEqual([`compare 1-${DIGEST_BLOCK + 5}`]);
  expect(await shownTexts(stage)).toEqual(before);
});

test("a message whose time is up comes back without what it said", async () => {
  const timed = { ...text(1), at: 1, ttl: 60 };
  const world = await withLog([timed, text(2)]);
  const { stage } = world;
  await stage.clock.pass(10_000);
  await stage.answerPing();
  await stage.clock.pass(6_000);
  expect(await shownTexts(stage)).toEqual(["entry 2"]);
  stage.store.rows.delete(keys.quiet(ids.talk, 1));
  await restart(world);
  expect(await shownTexts(stage)).toEqual(["entry 2"]);
  const stored = logRow.decode(stage.store.rows.get(keys.quiet(ids.talk, 1)) as Uint8Array);
  expect(stored.payload).toHaveLength(0);
});

test("a connection that ends half-way: the next one goes on", async () => {
  const { stage, log } = await asking(texts(5));
  stage.store.rows.delete(keys.shown(ids.talk, 3));
  expect(stage.has("compareLog")).toBe(true);
  await stage.hangUp();
  await stage.clock.pass(2_000);
  await connect(stage);
  await log.serve();
  expect(await shownTexts(stage)).toEqual(texts(5).map(({ seq }) => `entry ${seq}`));
});

test.each([
  ["not_a_member", 0],
  ["overloaded", 1],
] as const)(
  "a comparison that is refused by %s is asked for again %i times",
  async (code, times) => {
    const { stage } = await asking(texts(5));
    const refusal = { code, message: "", retryAfterMs: null, expected: null };
    await stage.answer("compareLog", { type: "error", ...refusal });
    const asked = () => stage.sent.filter(({ type }) => type === "compareLog").length;
    expect(asked()).toBe(1);
    await stage.clock.pass(1_000);
    expect(asked()).toBe(1 + times);
  },
);

test("an answer about something else is not believed", async () => {
  const { stage } = await asking(texts(5));
  const pieces = [new Uint8Array(32)];
  await stage.answer("compareLog", { type: "compared", from: 1, to: 6, pieces });
  expect(stage.has("getEntries")).toBe(false);
});

test("an old entry that is not known by its origin: the whole log is compared", async () => {
  const world = await withLog(texts(5));
  const { stage, log } = world;
  await restart(world);
  log.asked.length = 0;
  stage.store.rows.delete(keys.origin(ids.talk, origin(2)));
  await stage.tell({ type: "entries", stamp: 9, conversationId: ids.talk, entries: [text(2)] });
  await log.serve();
  expect(log.asked).toContain("compare 1-5");
  expect(stage.store.rows.has(keys.origin(ids.talk, origin(2)))).toBe(true);
});

test("every four hours one history is compared for no reason", async () => {
  const { stage, log } = await withLog(texts(5));
  stage.store.rows.delete(keys.shown(ids.talk, 3));
  await stage.hangUp();
  await stage.clock.pass(4 * 3_600_000);
  const { dialled } = stage;
  while (stage.dialled === dialled) await stage.clock.pass(1_000);
  await connect(stage);
  await log.serve();
  expect(log.asked).toContain("compare 1-5");
  expect(await shownTexts(stage)).toEqual(texts(5).map(({ seq }) => `entry ${seq}`));
});

test("where the end is another one too, the logs have parted: what was written here waits again", async () => {
  const { stage } = await withLog(texts(5));
  const other = texts(5).map((entry) => (entry.seq > 2 ? { ...entry, n: entry.n + 10 } : entry));
  const log = new Log(stage, other);
  await restart({ stage, log });
  const messages = await stage.messages();
  expect(messages.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, null, null, null]);
});
