import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { ENTRY_BYTES, MAX_COMMIT_BYTES } from "../../relay/core/bounds.js";
import type { LogChange } from "../../relay/core/ports.js";
import { SEGMENT_ENTRIES } from "../../relay/store/cassandra/bounds.js";
import { CassandraRelayStore } from "../../relay/store/cassandra/cassandra-relay-store.js";
import { names } from "../../relay/store/cassandra/change.js";
import type { CassandraOptions } from "../../relay/store/cassandra/connect.js";
import { Database } from "../../relay/store/cassandra/database.js";
import { Segments } from "../../relay/store/cassandra/segments.js";
import { rows } from "../../relay/store/rows.js";
import type { ConversationId, DeviceId, UserId } from "../../shared/ids.js";
import { MAX_ENTRIES, MAX_FRAME_BYTES, MAX_PAYLOAD_BYTES } from "../../shared/limits.js";
import type { SequencedEntry } from "../../shared/protocol.js";
import { doubleOwnershipContract, relayStoreContract } from "../contracts/relay-store.js";
import { startCassandra } from "../parts/cassandra.mjs";
import { emptied } from "./emptied.js";

type Cluster = Awaited<ReturnType<typeof startCassandra>>;

let cluster: Cluster;
const open: CassandraRelayStore[] = [];

beforeAll(async () => {
  cluster = await startCassandra(1);
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((store) => store.close()));
  idle.push(...(await Promise.all(used.splice(0).map(emptied))));
});
afterAll(() => cluster?.close());

/** Making a keyspace with its tables takes seconds: one that was used is emptied and used again. */
const idle: CassandraOptions[] = [];
const used: CassandraOptions[] = [];

function fresh(): CassandraOptions {
  const options = idle.pop() ?? unmade();
  used.push(options);
  return options;
}

const unmade = (): CassandraOptions => ({
  contactPoints: cluster.contactPoints,
  localDatacenter: cluster.datacenter,
  keyspace: `dovetail_${randomUUID().replaceAll("-", "")}`,
  replication: 1,
});

async function openStore(options: CassandraOptions): Promise<CassandraRelayStore> {
  const store = await CassandraRelayStore.open(options, "relay-test");
  open.push(store);
  return store;
}

relayStoreContract("Cassandra", async () => {
  const options = fresh();
  return { store: await openStore(options), reopen: () => openStore(options) };
});

doubleOwnershipContract("Cassandra", async () => {
  const options = fresh();
  return [await openStore(options), await openStore(options)];
});

describe("a log on Cassandra", () => {
  const done = { firstStamp: expect.any(Number) };
  const talk = "1".repeat(32) as ConversationId;
  const alice = "a".repeat(32) as UserId;
  const bob = "b".repeat(32) as UserId;
  const phone = "d".repeat(32) as DeviceId;
  const entry = (seq: number): SequencedEntry => ({
    seq,
    userId: alice,
    deviceId: phone,
    n: seq,
    at: 1_000 + seq,
    ttl: 0,
    rights: "change" as const,
    membership: null,
    payload: Uint8Array.of(seq % 256),
  });
  const appending = (expectedHead: number, count: number): LogChange => ({
    conversationId: talk,
    expectedHead,
    opens: expectedHead === 0 ? { kind: "direct" } : null,
    entries: Array.from({ length: count }, (_, i) => entry(expectedHead + i + 1)),
    cursors: new Map(),
    group:
      expectedHead === 0
        ? {
            epoch: 0,
            restricted: false,
            members: [alice, bob].map((userId) => ({ userId, admin: false })),
          }
        : null,
    spans: new Map(),
    invite: null,
    noted: [alice, bob],
    crowd: null,
    events: 1,
  });

  it("goes on in further partitions, also for one who did not see it happen", async () => {
    const options = fresh();
    const [first, second] = [await openStore(options), await openStore(options)];
    await first.logs.commit([appending(0, SEGMENT_ENTRIES - 1)]);
    await second.logs.commit([appending(SEGMENT_ENTRIES - 1, 5)]);
    const head = SEGMENT_ENTRIES + 4;
    const outcomes = await Promise.all(
      [first, second].map(({ logs }) => logs.commit([appending(head, SEGMENT_ENTRIES)])),
    );
    expect(outcomes.flat().filter((outcome) => outcome !== null)).toHaveLength(1);
    const all = head + SEGMENT_ENTRIES;
    await second.logs.commit([appending(all, 1)]);
    for (const { logs } of [first, second, await openStore(options)]) {
      expect(await logs.conversation(talk)).toMatchObject({ kind: "direct", head: all + 1 });
      const entries = await logs.entries(talk, 1, all + 9);
      expect(entries.map(({ seq }) => seq)).toEqual(
        Array.from({ length: all + 1 }, (_, i) => i + 1),
      );
      expect(await logs.lastN(talk, phone)).toBe(all + 1);
      const around = await logs.byOrigin(talk, phone, head, head + 2);
      expect(around.map(({ seq }) => seq)).toEqual([head, head + 1]);
      expect(await logs.conversationsAfter(null, 9)).toEqual([talk]);
    }
    await first.logs.trim(talk, head + 3);
    expect((await second.logs.entries(talk, 1, 1))[0]?.seq).toBe(head + 3);
    expect(await second.logs.byOrigin(talk, phone, 1, 2)).toMatchObject([{ seq: 1, entry: null }]);
  });

  it("takes as much at once as a commit may have", async () => {
    const { logs } = await openStore(fresh());
    const many = MAX_COMMIT_BYTES / ENTRY_BYTES + MAX_ENTRIES;
    expect(await logs.commit([appending(0, many)])).toEqual([done]);
    const large = appending(many, (MAX_COMMIT_BYTES + MAX_FRAME_BYTES) / MAX_PAYLOAD_BYTES);
    const payload = new Uint8Array(MAX_PAYLOAD_BYTES);
    const entries = large.entries.map((each) => ({ ...each, payload }));
    expect(await logs.commit([{ ...large, entries }])).toEqual([done]);
    expect((await logs.conversation(talk))?.head).toBe(many + entries.length);
  });

  it("erases what is over, also after a restart and in the last hour, and forgets the hour", async () => {
    const options = fresh();
    const store = await openStore(options);
    const change = appending(0, 40);
    const at = Date.now() - 5 * 3_600_000;
    const entries = change.entries.map((each, i) => ({
      ...each,
      at,
      ttl: i < 30 ? 60 : 0xffff_ffff,
    }));
    await store.logs.commit([{ ...change, entries }]);
    expect(await store.logs.eraseExpired(Date.now(), 20)).toBe(20);
    const { logs } = await openStore(options);
    expect(await logs.eraseExpired(Date.now(), 20)).toBe(10);
    expect(await logs.eraseExpired(Date.now(), 20)).toBe(0);
    const left = await logs.entries(talk, 1, 99);
    expect(left.filter(({ payload }) => payload.length > 0).map(({ seq }) => seq)).toEqual(
      Array.from({ length: 10 }, (_, i) => 31 + i),
    );
    const database = await Database.open(options);
    const hours = await database.all("SELECT hour FROM expiry_hour WHERE partition = 0", []);
    await database.close();
    // That of those that stay, in another century.
    expect(hours).toHaveLength(1);
    expect(await logs.eraseExpired(at + 0xffff_ffff * 1_000 + 3 * 3_600_000, 20)).toBe(10);
  });

  it("gives as many entries as asked for where trimming was broken off", async () => {
    const options = fresh();
    const store = await openStore(options);
    await store.logs.commit([appending(0, 9)]);
    const database = await Database.open(options);
    const gone = [1, 2, 3].map((seq) => ({ seq, name: "", value: new Uint8Array(0) }));
    await new Segments(database).edit(talk, 1, async () => gone);
    await database.close();
    const entries = await store.logs.entries(talk, 1, 2);
    expect(entries.map(({ seq }) => seq)).toEqual([4, 5]);
    await store.logs.trim(talk, 6);
    expect(await store.logs.conversation(talk)).toMatchObject({ first: 6, head: 9 });
  });

  it("tells the users of a change that a relay wrote before it was killed", async () => {
    const options = fresh();
    const store = await openStore(options);
    await store.logs.commit([appending(0, 1)]);
    const before = await store.logs.newestStamp(bob);
    // What the log's partition has when the relay ends between it and the inboxes.
    const database = await Database.open(options);
    const segments = new Segments(database);
    const segment = await segments.newest(talk);
    const pending = rows.pending.encode({
      version: (segment?.version ?? 0) + 1,
      users: [{ userId: bob, member: null }],
    });
    const name = names.origin(phone, 2);
    await segments.write(talk, segment, {
      head: 2,
      first: 1,
      pending,
      rows: [
        { seq: 2, name: "", value: rows.entry.encode(entry(2)) },
        { seq: 0, name, value: rows.origin.encode({ seq: 2, at: null }) },
        { seq: 0, name: names.last(phone), value: rows.number.encode(2) },
      ],
    });
    await database.close();
    expect(await store.logs.newestStamp(bob)).toBe(before);
    // Its sender tries again, for it had no answer, and that reads the conversation.
    expect((await (await openStore(options)).logs.conversation(talk))?.head).toBe(2);
    const told = await store.logs.changes(bob, before, 9);
    expect(told.map(({ conversationId }) => conversationId)).toEqual([talk]);
    const newest = await store.logs.newestStamp(bob);
    await store.logs.conversation(talk);
    expect(await store.logs.newestStamp(bob)).toBe(newest);
  });
});

it("says where it could not be reached", async () => {
  const options = { ...unmade(), contactPoints: ["127.0.0.1:1"] };
  await expect(CassandraRelayStore.open(options, "relay")).rejects.toMatchObject({
    code: "storage_failed",
    message: expect.stringContaining("127.0.0.1:1"),
  });
});

it("keeps the relay's name from its first start", async () => {
  const options = fresh();
  expect((await openStore(options)).name).toBe("relay-test");
  const again = await CassandraRelayStore.open(options, "another");
  open.push(again);
  expect(again.name).toBe("relay-test");
});

it("refuses data of a newer relay", async () => {
  const options = unmade();
  await openStore(options);
  const database = await Database.open(options);
  const query = "UPDATE meta SET value = '99' WHERE key = 'schema' IF EXISTS";
  await database.cas([{ query, params: [] }]);
  await database.close();
  await expect(openStore(options)).rejects.toMatchObject({ code: "profile_newer" });
});
