/** What every RelayStore promises (relay/core/ports.ts), whatever it is built on. */
import { beforeEach, describe, expect, it } from "vitest";
import type {
  LogChange,
  LogOutcome,
  NewAccount,
  RelayStore,
  StoredCursor,
  StoredInvite,
} from "../../relay/core/ports.js";
import type { ConversationId, DeviceId, UserId } from "../../shared/ids.js";
import { type Group, membershipN } from "../../shared/membership.js";
import type { SequencedEntry } from "../../shared/protocol.js";

const id = <T extends string>(digit: string): T => digit.repeat(32) as T;
const alice = id<UserId>("a");
const bob = id<UserId>("b");
const phone = id<DeviceId>("d");
const talk = id<ConversationId>("1");
const other = id<ConversationId>("2");

const entry = (seq: number, n: number, text = `${n}`): SequencedEntry => ({
  seq,
  userId: alice,
  deviceId: phone,
  n,
  at: 1_000 + seq,
  ttl: 0,
  rights: "change" as const,
  membership: null,
  payload: new TextEncoder().encode(text),
});

const change = (wanted: Partial<LogChange>): LogChange => ({
  conversationId: talk,
  expectedHead: 0,
  opens: null,
  entries: [],
  cursors: new Map(),
  group: null,
  spans: new Map(),
  invite: null,
  noted: [alice, bob],
  crowd: null,
  events: 1,
  ...wanted,
});
const opening = (wanted: Partial<LogChange> = {}): LogChange =>
  change({ opens: { kind: "direct" }, group: both, ...wanted });

const both: Group = {
  epoch: 0,
  restricted: false,
  members: [alice, bob].map((userId) => ({ userId, admin: false })),
};
const cursor = (deliveredUpTo: number, readUpTo: number, onPhone = 0): StoredCursor => ({
  deliveredUpTo,
  readUpTo,
  devices: new Map(onPhone > 0 ? [[phone, onPhone]] : []),
});

/** Of a change whose condition held; how its stamps are counted is the store's affair. */
const done = { firstStamp: expect.any(Number) };

const stampOf = (outcome: LogOutcome | undefined): number | null =>
  outcome && "firstStamp" in outcome ? outcome.firstStamp : null;

/** The user's newest note, which is of `talk`. */
const newestOf = async (logs: RelayStore["logs"], user: UserId) => ({
  stamp: await logs.newestStamp(user),
  conversationId: talk,
});

const account = (handle: string, device: string, invite: NewAccount["invite"] = null) => ({
  user: { userId: id<UserId>(device), handle, displayName: handle.toUpperCase() },
  device: {
    deviceId: id<DeviceId>(device),
    userId: id<UserId>(device),
    name: "laptop",
    publicKey: new Uint8Array(32).fill(7),
    addedAt: 1,
    removed: false,
    addedBy: null,
  },
  invite,
});

/** Two that both believe they own the same logs: two relays, or one that wakes up late. */
export function doubleOwnershipContract(
  name: string,
  open: () => Promise<readonly [RelayStore, RelayStore]>,
): void {
  describe(`${name} keeps two owners of one log apart`, () => {
    const ROUNDS = 20;

    it("refuses one of them, forks nothing and loses nothing", async () => {
      const owners = await open();
      await owners[0].logs.commit([opening()]);
      const kept: string[] = [];
      for (let head = 0; head < ROUNDS; head += 1) {
        const outcomes = await Promise.all(
          owners.map(({ logs }, i) =>
            logs.commit([
              change({ expectedHead: head, entries: [entry(head + 1, head + 1, `${i}/${head}`)] }),
            ]),
          ),
        );
        const winners = outcomes.flatMap(([outcome], i) => (stampOf(outcome) === null ? [] : [i]));
        expect(winners).toHaveLength(1);
        kept.push(`${winners[0]}/${head}`);
      }
      for (const { logs } of owners) {
        expect((await logs.conversation(talk))?.head).toBe(ROUNDS);
        const entries = await logs.entries(talk, 1, ROUNDS + 1);
        expect(entries.map(({ payload }) => new TextDecoder().decode(payload))).toEqual(kept);
      }
    });

    it("refuses the one that slept, which then reads what happened", async () => {
      const [awake, asleep] = await open();
      await asleep.logs.commit([opening({ entries: [entry(1, 1)] })]);
      await awake.logs.commit([change({ expectedHead: 1, entries: [entry(2, 2, "awake")] })]);
      const late = change({ expectedHead: 1, entries: [entry(2, 2, "asleep")] });
      expect(await asleep.logs.commit([late])).toEqual([null]);
      expect(await asleep.logs.entries(talk, 1, 9)).toEqual([entry(1, 1), entry(2, 2, "awake")]);
      const next = change({ expectedHead: 2, entries: [entry(3, 3)] });
      expect(await asleep.logs.commit([next])).not.toEqual([null]);
    });

    it("gives a user no stamp twice, nor one older than the newest, from different logs", async () => {
      const owners = await open();
      const logs = [talk, other] as const;
      await Promise.all(
        owners.map((owner, i) =>
          owner.logs.commit([opening({ conversationId: logs[i] as ConversationId })]),
        ),
      );
      for (let head = 0; head < ROUNDS; head += 1) {
        const before = await owners[0].logs.newestStamp(bob);
        const outcomes = await Promise.all(
          owners.map((owner, i) =>
            owner.logs.commit([
              change({
                conversationId: logs[i] as ConversationId,
                expectedHead: head,
                entries: [entry(head + 1, head + 1)],
              }),
            ]),
          ),
        );
        const stamps = outcomes.map(([outcome]) => stampOf(outcome) ?? 0);
        expect(Math.min(...stamps)).toBeGreaterThan(before);
        expect(new Set(stamps).size).toBe(2);
        const told = await owners[1].logs.changes(bob, before, 10);
        expect(told.map(({ conversationId }) => conversationId).sort()).toEqual([...logs].sort());
      }
    });

    it("takes one use of an invite, gives one handle and keeps one opening", async () => {
      const owners = await open();
      const openings = await Promise.all(owners.map(({ logs }) => logs.commit([opening()])));
      expect(openings.flat().filter((outcome) => outcome !== null)).toHaveLength(1);
      const invite = { code: "once", uses: 1 };
      const accounts = await Promise.all(
        owners.map(({ directory }, i) =>
          directory.register(account(["alice", "bob"][i] ?? "", `${i}`, invite)),
        ),
      );
      expect(accounts.filter((result) => result === "invite_invalid")).toHaveLength(1);
      const handles = await Promise.all(
        owners.map(({ directory }, i) => directory.register(account("carol", `${i + 2}`))),
      );
      expect(handles.filter((result) => result === "handle_taken")).toHaveLength(1);
    });
  });
}

/** `open` gives an empty store, `reopen` the same store as a process finds it that starts anew. */
export function relayStoreContract(
  name: string,
  open: () => Promise<{ store: RelayStore; reopen(): Promise<RelayStore> }>,
): void {
  describe(`${name} keeps the promises of a relay store`, () => {
    let store: RelayStore;
    let reopen: () => Promise<RelayStore>;
    beforeEach(async () => {
      ({ store, reopen } = await open());
    });

    it("knows the newest stamp of a user, across a restart", async () => {
      expect(await store.logs.newestStamp(alice)).toBe(0);
      const [outcome] = await store.logs.commit([opening({ entries: [entry(1, 1)] })]);
      const newest = await store.logs.newestStamp(bob);
      expect(newest).toBeGreaterThan(0);
      // A store that gives each user stamps of its own has none for all of them.
      expect([newest, 0]).toContain(stampOf(outcome));
      expect(await (await reopen()).logs.newestStamp(bob)).toBe(newest);
    });

    it("keeps what it committed across a restart", async () => {
      await store.logs.commit([opening({ entries: [entry(1, 1), entry(2, 2)] })]);
      await store.logs.commit([
        change({ expectedHead: 2, cursors: new Map([[bob, cursor(2, 1, 2)]]) }),
      ]);
      const { logs } = await reopen();
      expect(await logs.conversation(talk)).toEqual({
        kind: "direct",
        group: both,
        head: 2,
        first: 1,
        cursors: new Map([[bob, cursor(2, 1, 2)]]),
      });
      expect(await logs.entries(talk, 1, 10)).toEqual([entry(1, 1), entry(2, 2)]);
      expect(await logs.lastN(talk, phone)).toBe(2);
    });

    it("appends only at the head that was expected, in memory and after a restart", async () => {
      expect(await store.logs.commit([opening({ entries: [entry(1, 1)] })])).toEqual([done]);
      const late = change({ expectedHead: 0, entries: [entry(1, 1, "a fork")] });
      expect(await store.logs.commit([late])).toEqual([null]);
      const { logs } = await reopen();
      expect(await logs.commit([late])).toEqual([null]);
      expect(await logs.entries(talk, 1, 10)).toEqual([entry(1, 1)]);
    });

    it("lets one of two who append at once win", async () => {
      await store.logs.commit([opening()]);
      const outcomes = await Promise.all([
        store.logs.commit([change({ entries: [entry(1, 1, "first")] })]),
        store.logs.commit([change({ entries: [entry(1, 1, "second")] })]),
      ]);
      expect(outcomes.flat().filter((outcome) => outcome !== null)).toHaveLength(1);
      expect((await store.logs.conversation(talk))?.head).toBe(1);
    });

    it("opens a conversation once", async () => {
      await store.logs.commit([opening()]);
      expect(await store.logs.commit([opening()])).toEqual([null]);
      const { logs } = await reopen();
      expect(await logs.commit([opening()])).toEqual([null]);
    });

    it("applies the other changes of a commit when one is refused", async () => {
      await store.logs.commit([opening()]);
      const outcomes = await store.logs.commit([
        change({ expectedHead: 5, entries: [entry(6, 1)] }),
        opening({ conversationId: other, entries: [entry(1, 1)] }),
      ]);
      expect(outcomes).toEqual([null, done]);
      expect((await store.logs.conversation(talk))?.head).toBe(0);
      expect((await store.logs.conversation(other))?.head).toBe(1);
    });

    it("finds entries by their origin", async () => {
      await store.logs.commit([opening({ entries: [entry(1, 1), entry(2, 2), entry(3, 3)] })]);
      expect(await store.logs.byOrigin(talk, phone, 2, 3)).toEqual([
        { n: 2, seq: 2, at: 1_002, entry: entry(2, 2) },
      ]);
      expect(await store.logs.byOrigin(talk, id("e"), 1, 9)).toEqual([]);
    });

    it("never runs a cursor back, nor one of its devices", async () => {
      const move = (deliveredUpTo: number, readUpTo: number, onPhone: number) =>
        store.logs.commit([
          change({
            expectedHead: 2,
            cursors: new Map([[bob, cursor(deliveredUpTo, readUpTo, onPhone)]]),
          }),
        ]);
      await store.logs.commit([opening({ entries: [entry(1, 1), entry(2, 2)] })]);
      await move(2, 1, 2);
      await move(1, 2, 1);
      expect((await store.logs.conversation(talk))?.cursors.get(bob)).toEqual(cursor(2, 2, 2));
    });

    describe("groups", () => {
      const n = membershipN(1);
      const group: Group = {
        epoch: 1,
        restricted: true,
        members: [
          { userId: alice, admin: true },
          { userId: bob, admin: false },
        ],
      };
      const making = (wanted: Partial<LogChange> = {}): LogChange =>
        change({
          opens: { kind: "group" },
          group,
          entries: [entry(1, n)],
          spans: new Map([
            [alice, [{ from: 1, to: null }]],
            [bob, [{ from: 1, to: null }]],
          ]),
          ...wanted,
        });
      const without: LogChange = change({
        expectedHead: 1,
        entries: [entry(2, n + 1)],
        group: { ...group, epoch: 2, members: group.members.slice(0, 1) },
        spans: new Map([[bob, [{ from: 1, to: 2 }]]]),
      });

      it("keeps who is in, since when, and until when", async () => {
        await store.logs.commit([making()]);
        expect(await store.logs.groupsOf(bob)).toEqual([talk]);
        await store.logs.commit([without]);
        const { logs } = await reopen();
        expect(await logs.conversation(talk)).toMatchObject({
          kind: "group",
          group: { epoch: 2, restricted: true, members: [{ userId: alice, admin: true }] },
        });
        expect(await logs.spans(talk, bob)).toEqual([{ from: 1, to: 2 }]);
        expect([...(await logs.allSpans(talk)).keys()]).toEqual([alice, bob]);
        expect(await logs.groupsOf(bob)).toEqual([]);
        expect(await logs.groupsOf(alice)).toEqual([talk]);
      });

      it("does not count membership entries among a device's own", async () => {
        await store.logs.commit([making()]);
        expect(await store.logs.lastN(talk, phone)).toBe(0);
        expect(await store.logs.byOrigin(talk, phone, n, n + 1)).toMatchObject([{ n, seq: 1 }]);
      });

      it("tells the members of a crowd by the group itself, in the order of all else", async () => {
        const both = [alice, bob];
        await store.logs.commit([making()]);
        await store.logs.commit([opening({ conversationId: other })]);
        await store.logs.commit([
          change({
            expectedHead: 1,
            entries: [entry(2, 1)],
            noted: [],
            crowd: { newTo: both },
            events: 2,
          }),
        ]);
        const { logs } = await reopen();
        // A store may tell once more what it was telling when it ended.
        await logs.conversation(talk);
        const bobs = await logs.changes(bob, 0, 10);
        expect(bobs.map((note) => note.conversationId)).toEqual([other, talk]);
        expect(await logs.changes(bob, 0, 1)).toEqual(bobs.slice(0, 1));
        const stamp = await logs.newestStamp(bob);
        expect(bobs[1]?.stamp).toBe(stamp);
        expect(await logs.changes(bob, stamp, 10)).toEqual([]);
        const alices = await logs.changes(alice, 0, 10);
        // A note of one's own may be newer, as of a cursor or of having been removed.
        await logs.commit([change({ expectedHead: 2, entries: [entry(3, 2)], noted: [bob] })]);
        expect(await logs.changes(bob, stamp, 10)).toEqual([await newestOf(logs, bob)]);
        expect(await logs.changes(alice, 0, 10)).toEqual(alices);
        await logs.commit([
          {
            ...without,
            expectedHead: 3,
            entries: [entry(4, 3)],
            noted: [bob],
            crowd: { newTo: [] },
          },
        ]);
        const left = await newestOf(logs, bob);
        await logs.commit([
          change({ expectedHead: 4, entries: [entry(5, 4)], noted: [], crowd: { newTo: [] } }),
        ]);
        const after = alices[1]?.stamp ?? 0;
        expect(await logs.changes(alice, after, 10)).toEqual([await newestOf(logs, alice)]);
        expect(await logs.changes(bob, stamp, 10)).toEqual([left]);
      });

      const link: StoredInvite = {
        conversationId: talk,
        code: "ABCDEFGHJKMN",
        createdBy: alice,
        createdAt: 1,
        expiresAt: null,
        maxUses: 1,
        uses: 0,
        preview: Uint8Array.of(1),
      };
      const used = ({ uses, maxUses }: StoredInvite): boolean => uses === maxUses;

      it("takes a use of an invite with the change, once", async () => {
        await store.logs.commit([making()]);
        await store.invites.add(link, 2, used);
        const joining = (expectedHead: number): LogChange => ({
          ...without,
          expectedHead,
          entries: [entry(expectedHead + 1, n + expectedHead)],
          invite: { code: link.code, uses: 0 },
        });
        expect(await store.logs.commit([joining(1)])).toEqual([done]);
        expect(await store.logs.commit([joining(2)])).toEqual([null]);
        const { logs, invites } = await reopen();
        expect(await invites.find(link.code)).toEqual({ ...link, uses: 1 });
        expect((await logs.conversation(talk))?.head).toBe(2);
      });

      it("refuses a use of an invite that was revoked meanwhile", async () => {
        await store.logs.commit([making()]);
        await store.invites.add(link, 2, used);
        await store.invites.remove(talk, link.code);
        const joining = { ...without, invite: { code: link.code, uses: 0 } };
        expect(await store.logs.commit([joining])).toEqual([null]);
        expect(await store.invites.find(link.code)).toBeNull();
      });

      it("keeps as many invites as said, the dead ones not counted", async () => {
        const { invites } = store;
        await store.logs.commit([making()]);
        const named = (code: string, uses = 0) => ({ ...link, code, uses });
        expect(await invites.add(named("first"), 2, used)).toMatchObject({ code: "first" });
        expect(await invites.add(named("first", 1), 2, used)).toMatchObject({ uses: 0 });
        expect(await invites.add(named("second", 1), 2, used)).toMatchObject({ uses: 1 });
        expect(await invites.add(named("third"), 2, used)).toMatchObject({ code: "third" });
        expect(await invites.add(named("fourth"), 2, used)).toBe("too_many_invites");
        const there = await (await reopen()).invites.of(talk);
        expect(there.map(({ code }) => code)).toEqual(["first", "third"]);
      });
    });

    describe("what is not kept", () => {
      const lasting = (seq: number, ttl: number): SequencedEntry => ({ ...entry(seq, seq), ttl });

      it("empties what is over, some at a time, and keeps the rows", async () => {
        const entries = [lasting(1, 1), lasting(2, 1), lasting(3, 9), lasting(4, 0)];
        await store.logs.commit([opening({ entries })]);
        const { logs } = await reopen();
        expect(await logs.eraseExpired(2_000, 10)).toBe(0);
        expect(await logs.eraseExpired(2_001, 10)).toBe(1);
        expect(await logs.eraseExpired(9_000, 1)).toBe(1);
        expect(await logs.eraseExpired(9_000, 1)).toBe(0);
        const left = await logs.entries(talk, 1, 10);
        expect(left.map(({ payload }) => payload.length)).toEqual([0, 0, 1, 1]);
        expect(left.map(({ seq, n, ttl }) => [seq, n, ttl])).toEqual([
          [1, 1, 1],
          [2, 2, 1],
          [3, 3, 9],
          [4, 4, 0],
        ]);
      });

      it("takes a life that ends in another century", async () => {
        const entries = [{ ...lasting(1, 0xffff_ffff), at: Date.now() }];
        expect(await store.logs.commit([opening({ entries })])).toEqual([done]);
        expect(await store.logs.entries(talk, 1, 10)).toEqual(entries);
      });

      it("begins later, and still knows where what is gone stood", async () => {
        await store.logs.commit([
          opening({ entries: [entry(1, 1), lasting(2, 1), entry(3, 3), entry(4, 4)] }),
        ]);
        await store.logs.trim(talk, 4);
        await store.logs.trim(talk, 2);
        const { logs } = await reopen();
        expect(await logs.conversation(talk)).toMatchObject({ head: 4, first: 4 });
        expect(await logs.entries(talk, 1, 10)).toEqual([entry(4, 4)]);
        expect(await logs.lastN(talk, phone)).toBe(4);
        expect(await logs.byOrigin(talk, phone, 2, 4)).toEqual([
          { n: 2, seq: 2, at: 1_002, entry: null },
          { n: 3, seq: 3, at: 1_003, entry: null },
        ]);
        expect(await logs.eraseExpired(99_000, 10)).toBe(0);
      });

      it("keeps digests of blocks until what they are of is gone", async () => {
        const entries = Array.from({ length: 600 }, (_, i) => entry(i + 1, i + 1));
        await store.logs.commit([opening({ entries })]);
        const digest = (block: number) => new Uint8Array(32).fill(block + 1);
        for (const block of [0, 1]) await store.logs.keepDigest(talk, block, digest(block));
        const { logs } = await reopen();
        expect(await logs.digest(talk, 0)).toEqual(digest(0));
        expect(await logs.digest(talk, 2)).toBeNull();
        expect(await logs.digest(other, 0)).toBeNull();
        // The first place of the second block goes too, so it is not a whole one any more.
        await logs.trim(talk, 258);
        await logs.keepDigest(talk, 1, digest(1));
        expect([await logs.digest(talk, 0), await logs.digest(talk, 1)]).toEqual([null, null]);
      });

      it("goes through all conversations, some at a time", async () => {
        for (const conversationId of [other, talk]) {
          await store.logs.commit([opening({ conversationId })]);
        }
        const [first, ...rest] = await store.logs.conversationsAfter(null, 1);
        expect(rest).toEqual([]);
        const second = first === talk ? other : talk;
        expect(await store.logs.conversationsAfter(first ?? null, 5)).toEqual([second]);
        expect(await store.logs.conversationsAfter(second, 5)).toEqual([]);
        expect(new Set([first, second])).toEqual(new Set([talk, other]));
      });
    });

    it("remembers who is blocked", async () => {
      await store.directory.setBlocked(alice, bob, true);
      const { directory } = await reopen();
      expect(await directory.blockedBy(alice)).toEqual([bob]);
      await directory.setBlocked(alice, bob, false);
      expect(await directory.blockedBy(alice)).toEqual([]);
    });

    it("tells changes oldest first, each conversation once, with stamps that only grow", async () => {
      await store.logs.commit([opening({ entries: [entry(1, 1)] })]);
      await store.logs.commit([opening({ conversationId: other })]);
      const { logs } = await reopen();
      const before = new Map<UserId, number>();
      for (const user of [alice, bob]) before.set(user, await logs.newestStamp(user));
      await logs.commit([change({ expectedHead: 1, entries: [entry(2, 2)], events: 3 })]);
      for (const user of [alice, bob]) {
        const newest = await newestOf(logs, user);
        const old = { stamp: before.get(user) ?? 0, conversationId: other };
        expect(newest.stamp).toBeGreaterThan(old.stamp);
        expect(await logs.changes(user, 0, 10)).toEqual([old, newest]);
        expect(await logs.changes(user, old.stamp, 10)).toEqual([newest]);
        expect(await logs.changes(user, 0, 1)).toEqual([old]);
        expect(await logs.changes(user, newest.stamp, 10)).toEqual([]);
      }
    });

    it("gives a handle to one of those who ask", async () => {
      const { directory } = store;
      const results = await Promise.all([
        directory.register(account("alice", "a")),
        directory.register(account("alice", "b")),
      ]);
      const [winner, loser] = results[1] === "handle_taken" ? ["a", "b"] : ["b", "a"];
      expect(results).toContainEqual(account("alice", winner).user);
      expect(results).toContain("handle_taken");
      expect(await directory.userCount()).toBe(1);
      expect(await directory.device(id(winner))).not.toBeNull();
      expect(await directory.device(id(loser))).toBeNull();
    });

    it("takes a registration again that was answered into the void", async () => {
      const wanted = account("alice", "a", { code: "once", uses: 1 });
      await store.directory.register(wanted);
      const { directory } = await reopen();
      const again = { ...wanted, user: { ...wanted.user, userId: id<UserId>("f") } };
      expect(await directory.register(again)).toEqual(wanted.user);
      expect(await directory.userCount()).toBe(1);
    });

    it("lets an invite be used as often as said", async () => {
      const invite = { code: "twice", uses: 2 };
      expect(await store.directory.register(account("alice", "a", invite))).toBeTypeOf("object");
      expect(await store.directory.register(account("bob", "b", invite))).toBeTypeOf("object");
      const { directory } = await reopen();
      expect(await directory.register(account("carol", "c", invite))).toBe("invite_invalid");
      expect(await directory.user(id("c"))).toBeNull();
    });

    it("keeps codes of registration, until they are revoked and after that", async () => {
      const { codes } = store.directory;
      const code = (name: string, uses: number | null = null) => ({
        ...{ code: name, uses, createdAt: 1_000, revoked: false },
      });
      expect(await codes.needed()).toBe(false);
      expect(await codes.after(null, 10)).toEqual([]);
      await codes.setNeeded(true);
      expect(await codes.after(null, 10)).toEqual([]);
      for (const each of ["north", "South", "n-1"]) expect(await codes.add(code(each))).toBe(true);
      expect(await codes.add(code("north", 7))).toBe(false);
      expect(await codes.revoke("north")).toBe(true);
      expect(await codes.revoke("nowhere")).toBe(false);
      expect(await codes.add(code("north"))).toBe(false);

      const again = (await reopen()).directory.codes;
      expect(await again.needed()).toBe(true);
      expect(await again.find("nowhere")).toBeNull();
      expect(await again.find("n-1")).toEqual(code("n-1"));
      const revoked = { ...code("north"), revoked: true };
      expect(await again.find("north")).toEqual(revoked);
      expect(await again.after(null, 2)).toEqual([code("South"), code("n-1")]);
      expect(await again.after("n-1", 2)).toEqual([revoked]);
      await again.setNeeded(false);
      expect(await again.needed()).toBe(false);
    });

    it("counts who has registered by a code, wherever it is from", async () => {
      const invite = { code: "twice", uses: 2 };
      expect(await store.directory.codes.used("twice")).toBe(0);
      await store.directory.register(account("alice", "a", invite));
      await store.directory.register(account("bob", "b", invite));
      const { codes } = (await reopen()).directory;
      expect(await codes.used("twice")).toBe(2);
      expect(await codes.find("twice")).toBeNull();
    });

    it("searches handles by prefix, in alphabetical order", async () => {
      for (const [handle, device] of [
        ["bob", "1"],
        ["alice", "2"],
        ["al_x", "3"],
      ] as const) {
        await store.directory.register(account(handle, device));
      }
      const found = await store.directory.search("al", 10);
      expect(found.map((person) => person.handle)).toEqual(["al_x", "alice"]);
      expect(await store.directory.search("al", 1)).toHaveLength(1);
    });

    it("goes through all handles in alphabetical order, some at a time", async () => {
      const { directory } = store;
      expect(await directory.usersAfter(null, 10)).toEqual([]);
      for (const [handle, device] of [
        ["bob", "1"],
        ["alice", "2"],
        ["alice2", "3"],
        ["al_x", "4"],
      ] as const) {
        await directory.register(account(handle, device));
      }
      const handles: string[] = [];
      for (;;) {
        const [person, ...more] = await directory.usersAfter(handles.at(-1) ?? null, 1);
        expect(more).toEqual([]);
        if (!person) break;
        handles.push(person.handle);
      }
      expect(handles).toEqual(["al_x", "alice", "alice2", "bob"]);
      expect((await directory.usersAfter("alice", 10)).map(({ handle }) => handle)).toEqual([
        "alice2",
        "bob",
      ]);
    });

    it("remembers when somebody was last seen", async () => {
      expect(await store.directory.lastSeen(alice)).toBe(0);
      await store.directory.setLastSeen(
        new Map([
          [alice, 123],
          [bob, 456],
        ]),
      );
      const { directory } = await reopen();
      expect(await directory.lastSeen(alice)).toBe(123);
      expect(await directory.lastSeen(bob)).toBe(456);
    });
  });
}
