/** However entries arrive, in the end there is one history: the log's. */
import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { backoffMs } from "../../electron/client/backoff.js";
import { type Body, encodeContent } from "../../electron/client/content.js";
import type { Core } from "../../electron/client/core.js";
import { meet, meetWithCursors } from "../../electron/client/directory.js";
import { addDirect, addOwn, addSequenced, holdOwn } from "../../electron/client/entries.js";
import { Emitter } from "../../electron/client/events.js";
import { listMessages } from "../../electron/client/history.js";
import { clockText, HybridClock } from "../../electron/client/hlc.js";
import { Journal } from "../../electron/client/journal.js";
import { markRead, moveMember } from "../../electron/client/receipts.js";
import { ClientState } from "../../electron/client/state.js";
import type { Message } from "../../shared/client-api.js";
import { type DeviceId, type MessageId, parseMessageId, type UserId } from "../../shared/ids.js";
import { membershipN, NO_CHANGE } from "../../shared/membership.js";
import { compareMessages } from "../../shared/message-order.js";
import type { SequencedEntry } from "../../shared/protocol.js";
import { ids, MapStore, Stage, StillClock } from "./stage.js";

const own = "0a".repeat(16) as DeviceId;
const bobs = "0b".repeat(16) as DeviceId;

async function openCore(store: MapStore): Promise<Core> {
  const clock = new StillClock();
  const state = await ClientState.load(store);
  state.account = {
    userId: ids.alice,
    deviceId: own,
    handle: "alice",
    displayName: "Alice",
    relay: "relay",
  };
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const ports = { store, clock, log } as unknown as Core["ports"];
  return {
    ports,
    options: { relayUrl: "", deviceName: "" },
    state,
    journal: new Journal(store),
    events: new Emitter(log),
    hlc: new HybridClock(clock),
    retell: () => {},
    recount: () => {},
    blockChanged: () => {},
  };
}

const page = (core: Core) => listMessages(core, { conversationId: ids.talk, limit: 500 });
const unreadOf = (shown: readonly Message[]): number =>
  shown.filter(({ mine, state }) => !mine && state !== "read").length;

/** Who wrote the entries of a log, in its order. */
const authors = fc.array(fc.constantFrom("alice" as const, "bob" as const), {
  minLength: 1,
  maxLength: 25,
});
/** What happens next: an entry comes directly, a piece of the log from the relay, or one is read. */
const happening = fc.oneof(
  fc.record({ kind: fc.constant("direct" as const), index: fc.nat(24) }),
  fc.record({
    kind: fc.constant("log" as const),
    from: fc.nat(24),
    count: fc.integer({ min: 1, max: 8 }),
  }),
  fc.record({
    kind: fc.constant("places" as const),
    from: fc.nat(24),
    count: fc.integer({ min: 1, max: 8 }),
  }),
  fc.record({ kind: fc.constant("read" as const), index: fc.nat(24) }),
  fc.record({ kind: fc.constant("restart" as const) }),
);

describe("merging what comes directly with what the relay tells", () => {
  test("ends with the log, each entry once, whatever came when", async () => {
    await fc.assert(
      fc.asyncProperty(authors, fc.array(happening, { maxLength: 30 }), async (writers, course) => {
        const store = new MapStore();
        let core = await openCore(store);
        await core.journal.run(() => meet(core, new Stage().talk()));

        // All own texts are queued first; they are in the log in the order they were written.
        const counts = { alice: 0, bob: 0 };
        const log: SequencedEntry[] = [];
        for (const [index, who] of writers.entries()) {
          const n = ++counts[who];
          const deviceId = who === "alice" ? own : bobs;
          const userId = ids[who];
          let payload = encodeContent({
            clock: { wall: 1_800_000_000_000 + index, counter: 0 },
            sentAt: index,
            body: { type: "text", text: `entry ${index}` },
          });
          if (who === "alice") {
            await core.journal.run(() =>
              addOwn(core, ids.talk, { type: "text", text: `entry ${index}` }),
            );
            payload = core.state.conversation(ids.talk).tail.at(-1)?.payload ?? payload;
          }
          log.push({
            seq: index + 1,
            userId,
            deviceId,
            n,
            at: index,
            ttl: 0,
            rights: "change" as const,
            membership: null,
            payload,
          });
        }
        const give = (entries: readonly SequencedEntry[], placed: boolean) =>
          core.journal.run(() =>
            addSequenced(
              core,
              ids.talk,
              placed
                ? entries.map(({ seq, deviceId, n, at, rights }) => ({
                    seq,
                    deviceId,
                    n,
                    at,
                    rights,
                  }))
                : entries,
            ),
          );

        for (const event of course) {
          if (event.kind === "restart") {
            core = await openCore(store);
          } else if (event.kind === "direct") {
            const entry = log[event.index];
            if (entry?.deviceId !== bobs) continue;
            const signature = new Uint8Array(64);
            await core.journal.run(() => addDirect(core, ids.talk, { ...entry, signature }));
          } else if (event.kind === "read") {
            const read = (await page(core))[event.index];
            if (!read) continue;
            await core.journal.run(() => markRead(core, ids.talk, read.messageId));
          } else {
            await give(log.slice(event.from, event.from + event.count), event.kind === "places");
          }
          const shown = await page(core);
          expect(core.state.conversation(ids.talk).row.unread).toBe(unreadOf(shown));
          expect(new Set(shown.map(({ messageId }) => messageId)).size).toBe(shown.length);
          expect([...shown].sort(compareMessages)).toEqual(shown);
          // Each device's own stand in the order in which it sent them, also while there are holes.
          for (const mine of [true, false]) {
            const ns = shown
              .filter((message) => message.mine === mine)
              .map(({ messageId }) => parseMessageId(messageId)?.origin.n ?? 0);
            expect([...ns].sort((a, b) => a - b)).toEqual(ns);
          }
        }

        await give(log, false);
        const shown = await page(core);
        expect(shown.map(({ seq, text }) => [seq, text])).toEqual(
          log.map(({ seq }) => [seq, `entry ${seq - 1}`]),
        );
        const { row, tail } = core.state.conversation(ids.talk);
        expect(tail).toEqual([]);
        expect(row).toMatchObject({ upTo: log.length, head: log.length });
        expect(row.unread).toBe(unreadOf(shown));
      }),
      { numRuns: 400 },
    );
  });

  test("what an entry made of another stays when that one's place is told with it", async () => {
    const core = await openCore(new MapStore());
    await core.journal.run(() => meet(core, new Stage().talk()));
    const by = { userId: ids.bob, ttl: 0, rights: "change" as const, membership: null, at: 1 };
    const content = (body: Body) =>
      encodeContent({ clock: { wall: 1_800_000_000_000, counter: 0 }, sentAt: 1, body });
    const target = { deviceId: bobs, n: 1 };
    const text = { ...by, ...target, payload: content({ type: "text", text: "oh" }) };
    await core.journal.run(() =>
      addDirect(core, ids.talk, { ...text, signature: new Uint8Array(64) }),
    );
    const erasure = { ...by, deviceId: "0c".repeat(16) as DeviceId, n: 1 };
    const payload = content({ type: "erase", target });
    // Beyond a hole: it waits for the one at 2.
    const entries = [
      { ...erasure, seq: 1, payload },
      { ...text, seq: 3 },
    ];
    await core.journal.run(() => addSequenced(core, ids.talk, entries));
    expect(await page(core)).toMatchObject([{ seq: null, deleted: true, text: "" }]);
  });

  test("what is deleted by an entry that is placed with others is not counted as unread", async () => {
    const core = await openCore(new MapStore());
    await core.journal.run(() => meet(core, new Stage().talk()));
    const by = { userId: ids.bob, ttl: 0, rights: "change" as const, membership: null, at: 1 };
    const content = (body: Body, counter: number) =>
      encodeContent({ clock: { wall: 1_800_000_000_000, counter }, sentAt: 1, body });
    const [read, deleted] = [1, 2].map((n) => ({
      ...{ ...by, deviceId: bobs, n },
      payload: content({ type: "text", text: `text ${n}` }, n),
    })) as [SequencedEntry, SequencedEntry];
    for (const entry of [read, deleted]) {
      await core.journal.run(() =>
        addDirect(core, ids.talk, { ...entry, signature: new Uint8Array(64) }),
      );
    }
    const [first] = await page(core);
    await core.journal.run(() => markRead(core, ids.talk, first?.messageId as MessageId));
    const erasure = { ...by, deviceId: "0c".repeat(16) as DeviceId, n: 1 };
    const payload = content({ type: "erase", target: { deviceId: bobs, n: 2 } }, 3);
    const entries = [
      { ...erasure, seq: 1, payload },
      { ...read, seq: 2 },
      { ...deleted, seq: 3 },
    ];
    await core.journal.run(() => addSequenced(core, ids.talk, entries));
    expect(core.state.conversation(ids.talk).row.unread).toBe(0);
  });

  test("what is placed together with somebody's coming does not wait again", async () => {
    const store = new MapStore();
    const core = await openCore(store);
    const talk = { ...new Stage().talk(), kind: "group" as const, epoch: 1 };
    await core.journal.run(() => meet(core, talk));
    const origin = await core.journal.run(() =>
      addOwn(core, ids.talk, { type: "text", text: "hello" }),
    );
    // Everybody who was there has it directly.
    const peer = { userId: ids.bob, deviceId: bobs };
    await core.journal.run(() => holdOwn(core, ids.talk, [origin.n], peer));
    expect(await page(core)).toMatchObject([{ seq: null, state: "delivered" }]);
    const carol = { userId: "ca".repeat(16) as UserId, handle: "carol", displayName: "Carol" };
    const by = { userId: ids.bob, deviceId: bobs, at: 2, ttl: 0, rights: "moderate" as const };
    const coming = {
      ...{ ...by, seq: 2, n: membershipN(2) },
      payload: encodeContent({
        clock: { wall: 1_800_000_000_001, counter: 0 },
        sentAt: 2,
        body: { type: "membership", profile: null, timer: 0 },
      }),
      membership: { epoch: 2, ...NO_CHANGE, adds: [carol] },
    };
    const placed = { ...origin, seq: 1, at: 1, rights: "change" as const };
    const added: Message[] = [];
    core.events.subscribe((event) => event.event === "message.added" && added.push(event.data));
    await core.journal.run(() => addSequenced(core, ids.talk, [placed, coming]));
    expect(core.state.conversation(ids.talk)).toMatchObject({ tail: [], row: { upTo: 2 } });
    // Told with the name of whoever came.
    expect(added.at(-1)?.notice).toMatchObject({ people: [{ displayName: "Carol" }] });
    const again = await openCore(store);
    expect(again.state.conversation(ids.talk).tail).toEqual([]);
  });

  test("pages before and after any message join without a gap or an overlap", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 0, max: 10 }),
        fc.integer({ min: 1, max: 15 }),
        async (logged, waiting, limit) => {
          const core = await openCore(new MapStore());
          await core.journal.run(() => meet(core, new Stage().talk()));
          for (let i = 0; i < logged + waiting; i++) {
            await core.journal.run(() =>
              addOwn(core, ids.talk, { type: "text", text: `entry ${i}` }),
            );
          }
          const places = Array.from({ length: logged }, (_, i) => ({
            seq: i + 1,
            deviceId: own,
            n: i + 1,
            at: 0,
            rights: "change" as const,
          }));
          await core.journal.run(() => addSequenced(core, ids.talk, places));
          const all = await listMessages(core, { conversationId: ids.talk, limit: 500 });
          expect(all.map(({ text }) => text)).toEqual(all.map((_, i) => `entry ${i}`));
          for (const [index, { messageId }] of all.entries()) {
            const at = { conversationId: ids.talk, limit };
            const before = await listMessages(core, { ...at, before: messageId });
            const after = await listMessages(core, { ...at, after: messageId });
            expect(before).toEqual(all.slice(Math.max(0, index - limit), index));
            expect(after).toEqual(all.slice(index + 1, index + 1 + limit));
          }
        },
      ),
      { numRuns: 30 },
    );
  });
});

test("cursors never run back", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(fc.nat(30), fc.nat(30))), async (moves) => {
      const core = await openCore(new MapStore());
      await core.journal.run(() => meet(core, new Stage().talk()));
      let most = { deliveredUpTo: 0, readUpTo: 0 };
      for (const [deliveredUpTo, readUpTo] of moves) {
        const moved = { userId: ids.bob, deliveredUpTo, readUpTo };
        await core.journal.run(() => moveMember(core, ids.talk, moved));
        most = {
          deliveredUpTo: Math.max(most.deliveredUpTo, deliveredUpTo),
          readUpTo: Math.max(most.readUpTo, readUpTo),
        };
        const { members } = core.state.conversation(ids.talk).row;
        expect(members.find(({ userId }) => userId === ids.bob)).toMatchObject(most);
      }
    }),
  );
});

test("of a large group the cursors of all come in one change, and each one only forward", async () => {
  const store = new MapStore();
  const core = await openCore(store);
  const others = Array.from({ length: 300 }, (_, i) => i.toString(16).padStart(32, "0") as UserId);
  const group = (deliveredUpTo: number) => {
    const talk = new Stage().talk(9);
    const [alice] = talk.members;
    if (!alice) throw new Error("nobody is there");
    const members = others.map((userId, i) => ({
      ...alice,
      ...{ userId, handle: `member${i}`, deliveredUpTo: i === 0 ? 1 : deliveredUpTo },
    }));
    return { ...talk, kind: "group" as const, epoch: 1, members: [alice, ...members] };
  };
  const delivered = () =>
    core.state.conversation(ids.talk).row.members.map((member) => member.deliveredUpTo);
  const written = vi.spyOn(store, "batch");
  await meetWithCursors(core, group(5), 1);
  written.mockClear();
  await meetWithCursors(core, group(9), 2);
  expect(written.mock.calls.length).toBeLessThanOrEqual(2);
  expect(delivered()).toEqual([0, 1, ...others.slice(1).map(() => 9)]);
  await meetWithCursors(core, group(7), 3);
  expect(delivered()).toEqual([0, 1, ...others.slice(1).map(() => 9)]);
  expect(core.state.stamp).toBe(3);
});

test("a hybrid clock grows with every reading, whatever the wall clock does and others say", () => {
  const step = fc.oneof(
    fc.record({ jump: fc.integer({ min: -600_000, max: 600_000 }) }),
    fc.record({ seen: fc.integer({ min: -900_000, max: 900_000 }), counter: fc.nat(0xffff) }),
  );
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      let now = 1_800_000_000_000;
      const clock = new HybridClock({
        now: () => now,
        monotonic: () => now,
        after: () => ({ cancel() {} }),
      });
      let last = clockText(clock.next());
      for (const each of steps) {
        if ("jump" in each) now += each.jump;
        else clock.see({ wall: now + each.seen, counter: each.counter });
        const next = clockText(clock.next());
        expect(next > last).toBe(true);
        last = next;
      }
    }),
  );
});

test("back-off grows to its bound and never spreads beyond it", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1_000 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (attempt, random) => {
        const wait = backoffMs(attempt, random);
        expect(wait).toBeGreaterThanOrEqual(250);
        expect(wait).toBeLessThanOrEqual(30_000);
        expect(backoffMs(attempt + 1, random)).toBeGreaterThanOrEqual(wait);
      },
    ),
  );
});
