import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { LogChange } from "../../relay/core/ports.js";
import { readOptions } from "../../relay/options.js";
import { type RelayServer, startRelayServer } from "../../relay/server/server.js";
import { CassandraRelayStore } from "../../relay/store/cassandra/cassandra-relay-store.js";
import type { ConversationId, DeviceId, UserId } from "../../shared/ids.js";
import { startCassandra } from "../parts/cassandra.mjs";
import { Client, remote } from "../relay/world.js";

const COPIES = 3;
let cluster: Awaited<ReturnType<typeof startCassandra>>;
beforeAll(async () => {
  cluster = await startCassandra(COPIES);
});
afterAll(() => cluster?.close());

/** One for all tests: the first of them makes its tables, which takes three nodes half a minute. */
const KEYSPACE = "dovetail_nodes";
const options = () => ({
  contactPoints: cluster.contactPoints,
  localDatacenter: cluster.datacenter,
  keyspace: KEYSPACE,
  replication: COPIES,
});

const talk = "1".repeat(32) as ConversationId;
const alice = "a".repeat(32) as UserId;
const bob = "b".repeat(32) as UserId;
const phone = "d".repeat(32) as DeviceId;

const appending = (expectedHead: number): LogChange => ({
  conversationId: talk,
  expectedHead,
  opens: expectedHead === 0 ? { kind: "direct" } : null,
  entries: [
    {
      seq: expectedHead + 1,
      userId: alice,
      deviceId: phone,
      n: expectedHead + 1,
      at: 1,
      ttl: 0,
      rights: "change" as const,
      membership: null,
      payload: Uint8Array.of(1),
    },
  ],
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

it("has each table once where several relays start at once on an empty keyspace", async () => {
  // Each by another node.
  const opening = cluster.contactPoints.map((point) =>
    CassandraRelayStore.open({ ...options(), contactPoints: [point] }, "relay-test"),
  );
  const stores = await Promise.all(opening);
  try {
    for (const [head, { logs }] of stores.entries()) {
      expect(await logs.commit([appending(head)])).toMatchObject([
        { firstStamp: expect.any(Number) },
      ]);
    }
    for (const { logs } of stores) expect(await logs.entries(talk, 1, 9)).toHaveLength(COPIES);
  } finally {
    await Promise.all(stores.map((store) => store.close()));
  }
});

it("carries two relays by their options, which answer for the same logs", async () => {
  const data = await mkdtemp(join(tmpdir(), "dovetail-cluster-"));
  const servers: RelayServer[] = [];
  try {
    const args = ["--port", "0", "--data", join(data, "unused"), "--store", "cassandra"];
    const points = ["--cassandra-contact-points", cluster.contactPoints.join(",")];
    const read = readOptions([...args, ...points, "--cassandra-keyspace", KEYSPACE], {}, () => {});
    if (!read) throw new Error("no options");
    const people: Client[] = [];
    for (const handle of ["alice", "bob"]) {
      const server = await startRelayServer(read, pino({ level: "silent" }));
      servers.push(server);
      expect((await fetch(`${server.http}/readyz`)).status).toBe(200);
      const person = new Client(remote(server.url));
      await person.register(handle);
      people.push(person);
    }
    const [first, second] = people as [Client, Client];
    const conversation = await first.open(second.userId);
    for (const [client, n, text] of [
      [first, 1, "1"],
      [second, 1, "2"],
      [first, 2, "3"],
      [second, 2, "4"],
    ] as const) {
      // Neither is told what the other one's relay took: the store refuses, and it reads again.
      const answer = await client.append(conversation, n, [text]);
      expect(answer).toMatchObject({ type: "appended" });
    }
    expect(await second.log(conversation)).toEqual(["1", "2", "3", "4"]);
  } finally {
    await Promise.all(servers.map((server) => server.close()));
    await rm(data, { recursive: true, force: true });
  }
});

it("loses nothing that it said it has, and goes on, when a node of three is killed", async () => {
  const store = await CassandraRelayStore.open(options(), "relay-test");
  try {
    const BEFORE = 20;
    const AFTER = 40;
    let acknowledged = COPIES;
    while (acknowledged < AFTER) {
      if (acknowledged === BEFORE) void cluster.nodes[2]?.kill();
      // As the relay does: what failed is read again, and only what is missing is appended.
      const head = await store.logs
        .commit([appending(acknowledged)])
        .then(([outcome]) => (outcome && "firstStamp" in outcome ? acknowledged + 1 : null))
        .catch(() => null);
      const there = async () => (await store.logs.conversation(talk).catch(() => null))?.head;
      acknowledged = head ?? (await there()) ?? acknowledged;
    }
    const again = await CassandraRelayStore.open(options(), "relay-test");
    try {
      const entries = await again.logs.entries(talk, 1, AFTER * 2);
      expect(entries.map(({ seq }) => seq)).toEqual(Array.from({ length: AFTER }, (_, i) => i + 1));
      expect(entries.map(({ n }) => n)).toEqual(entries.map(({ seq }) => seq));
      const told = await again.logs.changes(bob, 0, 9);
      expect(told).toEqual([{ conversationId: talk, stamp: await again.logs.newestStamp(bob) }]);
    } finally {
      await again.close();
    }
  } finally {
    await store.close();
  }
});
