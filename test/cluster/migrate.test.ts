/** From the embedded store to Cassandra, while clients write and when it is broken off. */
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { migrate } from "../../relay/commands/migrate.js";
import type { RelayStore } from "../../relay/core/ports.js";
import { copyAll } from "../../relay/migrate/pass.js";
import { openSource } from "../../relay/migrate/source.js";
import { type RelayServer, startRelayServer } from "../../relay/server/server.js";
import { SEGMENT_ENTRIES } from "../../relay/store/cassandra/bounds.js";
import { CassandraRelayStore } from "../../relay/store/cassandra/cassandra-relay-store.js";
import type { CassandraOptions } from "../../relay/store/cassandra/connect.js";
import { Filling } from "../../relay/store/cassandra/filling.js";
import { prepareFolders } from "../../relay/workers/prepare.js";
import { digestOfPairs } from "../../shared/digest.js";
import type { ConversationId, UserId } from "../../shared/ids.js";
import { openLevel } from "../../shared/node/level-key-value.js";
import { nodeCrypto } from "../../shared/node/runtime.js";
import type { RelayFrame } from "../../shared/protocol.js";
import type { Log } from "../../shared/runtime.js";
import { startCassandra } from "../parts/cassandra.mjs";
import { DIST, NO_LIMITS, Scene, until } from "../real/processes.js";
import { Client, type DeviceKey, remote } from "../relay/world.js";

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };

let cluster: Awaited<ReturnType<typeof startCassandra>>;
let folder: string;
let data: string;
let cassandra: CassandraOptions;
const servers: RelayServer[] = [];

beforeAll(async () => {
  cluster = await startCassandra(1);
});
afterAll(() => cluster?.close());
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "dovetail-migrate-"));
  data = join(folder, "data");
  await mkdir(data);
  cassandra = {
    contactPoints: cluster.contactPoints,
    localDatacenter: cluster.datacenter,
    keyspace: `dovetail_${randomUUID().replaceAll("-", "")}`,
    replication: 1,
  };
});
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
  await rm(folder, { recursive: true });
});

async function start(on: CassandraOptions | null): Promise<RelayServer> {
  const server = await startRelayServer(
    {
      ...{ data, cassandra: on, host: "127.0.0.1", port: 0, heartbeatMs: 15_000, iceServers: [] },
      ...{ invites: new Map(), maxConnections: 100, deviceRate: 100_000, addressRate: 100_000 },
      ...{
        connectionRate: 10_000,
        registrationRate: 10_000,
        acceptRate: 10_000,
        conversationRate: 10_000,
        addressConnections: 1_000,
        trustProxy: false,
      },
    },
    pino({ level: "silent" }),
  );
  servers.push(server);
  void server.drained.then(() => server.close());
  return server;
}

/** What the command says, and with which code it ends. */
async function move(...more: string[]): Promise<{ code: number; said: string }> {
  let said = "";
  const spies = (["stdout", "stderr"] as const).map((which) =>
    vi.spyOn(process[which], "write").mockImplementation((text) => {
      said += text;
      return true;
    }),
  );
  const { contactPoints, keyspace, localDatacenter } = cassandra;
  const args = Object.entries({
    data,
    to: "cassandra",
    within: "0",
    "cassandra-contact-points": contactPoints.join(","),
    "cassandra-keyspace": keyspace,
    "cassandra-local-dc": localDatacenter,
    "cassandra-replication": "1",
  }).flatMap(([name, value]) => [`--${name}`, value]);
  try {
    return { code: await migrate([...args, ...more]), said };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

async function again(server: RelayServer, key: DeviceKey): Promise<Client> {
  const client = new Client(remote(server.url), key);
  await client.authenticate();
  return client;
}

async function entriesOf(client: Client, id: ConversationId) {
  const all: Extract<RelayFrame, { type: "page" }>["entries"][number][] = [];
  for (;;) {
    const fromSeq = (all.at(-1)?.seq ?? 0) + 1;
    const page = await client.ask({ type: "getEntries", conversationId: id, fromSeq, limit: 200 });
    if (page.type !== "page") throw new Error(page.type);
    all.push(...page.entries);
    if (page.entries.length === 0) return all;
  }
}

describe.each([
  ["in one place", async () => {}],
  ["in folders", () => prepareFolders(data, silent)],
])("data %s", (_, prepare) => {
  it("are in Cassandra what they were, with all that was acknowledged until the end", async () => {
    await prepare();
    const server = await start(null);
    const alice = new Client(remote(server.url));
    await alice.register("alice");
    const bob = new Client(remote(server.url));
    await bob.register("bob");
    // Somebody who has talked to nobody yet.
    const dave = new Client(remote(server.url));
    await dave.register("dave");
    const direct = await alice.open(bob.userId);
    const group = "9".repeat(32) as ConversationId;
    await alice.createGroup(group, [bob.userId]);
    await alice.append(
      direct,
      1,
      Array.from({ length: 40 }, (_, i) => `early ${i}`),
    );

    // Until the relay ends, which is in the middle of it.
    const acknowledged: string[] = [];
    const ended = alice.closed();
    const writes = (async () => {
      for (let n = 1; ; n += 1) {
        const answer = await Promise.race([bob.append(group, n, [`late ${n}`]), ended]);
        if (typeof answer === "number" || answer.type !== "appended") return;
        acknowledged.push(`late ${n}`);
      }
    })();
    const moved = await move();
    expect(moved).toMatchObject({ code: 0, said: expect.stringContaining("3 users and 2 logs") });
    await Promise.all([writes, ended]);
    expect(moved.said).toContain("Copying, while the relay runs.");
    expect(acknowledged.length).toBeGreaterThan(10);

    await expect(start(null)).rejects.toThrow("moved to Cassandra");
    const on = await start(cassandra);
    const [a, b] = [await again(on, alice.key), await again(on, bob.key)];
    expect([a.userId, b.userId]).toEqual([alice.userId, bob.userId]);
    const late = (await entriesOf(b, group)).map(({ payload }) => Buffer.from(payload).toString());
    expect(late.slice(1, acknowledged.length + 1)).toEqual(acknowledged);
    const source = await openSource(data, silent);
    for (const id of [direct, group]) {
      const here = await source.store.logs.entries(id, 1, 1_000_000);
      const there = await entriesOf(a, id);
      expect(digestOfPairs(nodeCrypto, there)).toEqual(digestOfPairs(nodeCrypto, here));
    }
    await source.close();

    const first = await a.open(dave.userId);
    expect(await a.append(first, 1, ["hello"])).toMatchObject({ places: [{ seq: 1 }] });
    const d = await again(on, dave.key);
    expect(await d.ask({ type: "getChanges", after: 0, limit: 10 })).toMatchObject({
      conversations: [{ conversationId: first }],
    });

    // And it goes on: what a relay writes is newer than all that was copied, and so are its stamps.
    const changes = async (after: number) => {
      const answer = await b.ask({ type: "getChanges", after, limit: 10 });
      if (answer.type !== "changes") throw new Error(answer.type);
      return answer;
    };
    const { upTo, conversations } = await changes(0);
    expect(conversations).toHaveLength(2);
    expect((await changes(upTo)).conversations).toEqual([]);
    expect(await a.append(direct, 41, ["on"])).toMatchObject({ type: "appended" });
    expect((await entriesOf(b, direct)).at(-1)).toMatchObject({ seq: 41, n: 41 });
    expect((await changes(upTo)).conversations).toMatchObject([{ conversationId: direct }]);
    await servers.pop()?.close();
    expect(await move()).toMatchObject({
      code: 1,
      said: expect.stringContaining("has the data of a relay already"),
    });
  });
});

it("what was broken off goes on, with what was changed and deleted meanwhile", async () => {
  const many = SEGMENT_ENTRIES * 2 + 10;
  const server = await start(null);
  const alice = new Client(remote(server.url));
  await alice.register("alice");
  const bob = new Client(remote(server.url));
  await bob.register("bob");
  const direct = await alice.open(bob.userId);
  const group = "9".repeat(32) as ConversationId;
  await alice.createGroup(group, [bob.userId]);
  for (let n = 1; n <= many; n += 64) {
    const texts = Array.from({ length: Math.min(64, many + 1 - n) }, (_, i) => `text ${n + i}`);
    await alice.append(direct, n, texts, n === 1 ? { ttl: 86_400 } : {});
  }
  await servers.pop()?.close();

  const withStore = async <T>(use: (store: RelayStore) => Promise<T>): Promise<T> => {
    const source = await openSource(data, silent);
    return use(source.store).finally(() => source.close());
  };
  await withStore(async ({ directory, logs }) => {
    await directory.setBlocked(alice.userId, bob.userId, true);
    await directory.codes.add({ code: "spring", uses: 3, createdAt: 5, revoked: false });
    await directory.codes.setNeeded(true);
    await logs.trim(direct, SEGMENT_ENTRIES + 5);
  });
  const done = await openLevel(join(folder, "done"));
  const pass = async () => {
    const source = await openSource(data, silent);
    const filling = await Filling.open(cassandra, source.name, done);
    try {
      return await copyAll(source, filling, done);
    } finally {
      await filling.close();
      await source.close();
    }
  };
  expect(await pass()).toMatchObject({ logs: 2, users: 2, written: 2 });
  expect(await pass()).toMatchObject({ written: 0 });
  await expect(CassandraRelayStore.open(cassandra, "other")).rejects.toMatchObject({
    code: "not_allowed",
  });

  await withStore(async ({ directory, logs }) => {
    await directory.setBlocked(alice.userId, bob.userId, false);
    await directory.codes.revoke("spring");
    await logs.trim(direct, SEGMENT_ENTRIES * 2 + 1);
  });
  expect(await pass()).toMatchObject({ written: 1 });
  await done.close();
  // Another machine, which knows of nothing that was done.
  expect(await move()).toMatchObject({ code: 0 });

  const there = await CassandraRelayStore.open(cassandra, "other");
  await withStore(async (here) => {
    expect(await there.directory.blockedBy(alice.userId)).toEqual([]);
    expect(await there.directory.codes.find("spring")).toMatchObject({ uses: 3, revoked: true });
    expect(await there.directory.codes.needed()).toBe(true);
    for (const user of [alice.userId, bob.userId] as UserId[]) {
      expect(await there.logs.changes(user, 0, 100)).toEqual(await here.logs.changes(user, 0, 100));
      expect(await there.logs.groupsOf(user)).toEqual([group]);
      expect(await there.directory.devices(user)).toEqual(await here.directory.devices(user));
    }
    expect(await there.logs.conversation(direct)).toEqual(await here.logs.conversation(direct));
    expect((await there.logs.entries(direct, 1, 100)).map(({ seq }) => seq)).toEqual(
      Array.from({ length: 10 }, (_, i) => SEGMENT_ENTRIES * 2 + 1 + i),
    );
    // Also of what is not kept any more: where it stood, and nothing else.
    const range = [direct, alice.key.deviceId, 1, many + 1] as const;
    const placed = await there.logs.byOrigin(...range);
    expect(placed).toEqual(await here.logs.byOrigin(...range));
    expect(placed.map(({ n }) => n)).toEqual(Array.from({ length: many }, (_, i) => i + 1));
    expect(placed.filter(({ entry }) => entry !== null)).toHaveLength(10);
    const page = await there.logs.conversationsAfter(null, 10);
    expect([...page].sort()).toEqual([direct, group].sort());
  });
  await there.close();
});

it("is given up where it was not finished, and not where it was", async () => {
  const server = await start(null);
  const alice = new Client(remote(server.url));
  await alice.register("alice");
  const { contactPoints } = cassandra;
  cassandra = { ...cassandra, contactPoints: ["127.0.0.1:1"] };
  expect(await move()).toMatchObject({ code: 1, said: expect.stringContaining("cannot be used") });
  // The relay has not noticed.
  expect(await alice.open(alice.userId)).toMatch(/^[0-9a-f]{32}$/);
  await servers.pop()?.close();
  expect(await move("--abandon")).toMatchObject({ code: 0 });
  await servers.pop()?.close();

  cassandra = { ...cassandra, contactPoints };
  expect(await move()).toMatchObject({ code: 0, said: expect.stringContaining("1 users") });
  expect(await move("--abandon")).toMatchObject({ code: 1 });
});

/** What the command has said, and milliseconds after it: somewhere in each of its steps. */
const KILLED_AT = [
  ["while the relay runs", 500],
  ["and compared", 0],
  ["Ending the relay", 0],
  ["Copying what came meanwhile", 100],
] as const;

it("a relay of several processes is moved by a command that is killed again and again", async () => {
  const scene = new Scene();
  try {
    const args = [...NO_LIMITS, "--workers", "3"];
    const relay = await scene.relay({ data, args });
    const alice = new Client(remote(relay.url));
    await alice.register("alice");
    const bob = new Client(remote(relay.url));
    await bob.register("bob");
    const talks = [await alice.open(bob.userId), await alice.open(alice.userId)];
    for (const digit of "123456") {
      const group = digit.repeat(32) as ConversationId;
      await alice.createGroup(group, [bob.userId]);
      talks.push(group);
    }
    const acknowledged = new Map(talks.map((id) => [id, 0]));
    const ended = alice.closed();
    const writes = talks.map(async (id) => {
      for (let n = 1; ; n += 1) {
        const answer = await Promise.race([alice.append(id, n, [`text ${n}`]), ended]);
        if (typeof answer === "number" || answer.type !== "appended") return;
        acknowledged.set(id, n);
        // Slower than it is copied, or the first pass would take as long as there are writes.
        await new Promise((done) => setTimeout(done, 20));
      }
    });
    const least = () => Math.min(...acknowledged.values());
    await until("there is something to move", least, (count) => count > 100);

    const { contactPoints, keyspace, localDatacenter } = cassandra;
    const command = [
      ...[join(DIST, "relay/main.js"), "migrate", "--data", data, "--to", "cassandra"],
      ...["--within", "0", "--cassandra-contact-points", contactPoints.join(",")],
      ...["--cassandra-keyspace", keyspace, "--cassandra-local-dc", localDatacenter],
      ...["--cassandra-replication", "1"],
    ];
    let said = "";
    /** Ends by itself, or is killed so many milliseconds after it has said that. */
    const migrateUntil = async (sign?: string, afterMs = 0): Promise<boolean> => {
      const moving = spawn(process.execPath, command, { stdio: ["ignore", "pipe", "inherit"] });
      let heard = "";
      moving.stdout.on("data", (chunk) => {
        const knew = heard.includes(sign ?? "\0");
        heard += chunk;
        if (sign === undefined || knew || !heard.includes(sign)) return;
        setTimeout(() => moving.kill("SIGKILL"), afterMs);
      });
      const [code] = await once(moving, "close");
      said += heard;
      if (code !== null) expect(code).toBe(0);
      return code === null;
    };
    let killed = 0;
    for (const [sign, afterMs] of KILLED_AT) {
      if (!(await migrateUntil(sign, afterMs))) break;
      killed += 1;
    }
    // On a busy machine it may have ended by itself before a late kill came.
    expect(killed).toBeGreaterThan(1);
    if (killed === KILLED_AT.length) expect(await migrateUntil()).toBe(false);
    await Promise.all([...writes, ended]);
    expect(said).toContain("2 users and 8 logs");

    const on = await start(cassandra);
    const a = await again(on, alice.key);
    const source = await openSource(data, silent);
    for (const id of talks) {
      const here = await source.store.logs.entries(id, 1, 1_000_000);
      const there = await entriesOf(a, id);
      expect(digestOfPairs(nodeCrypto, there)).toEqual(digestOfPairs(nodeCrypto, here));
      const mine = there.filter(({ deviceId }) => deviceId === alice.key.deviceId);
      const last = Math.max(...mine.map(({ n }) => n));
      expect(last).toBeGreaterThanOrEqual(acknowledged.get(id) as number);
    }
    await source.close();
  } finally {
    await scene.end();
  }
});
