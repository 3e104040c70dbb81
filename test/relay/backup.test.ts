/** Backups of a relay that is written meanwhile, and what is made of them. */
import { mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Barrier } from "../../relay/backup/barrier.js";
import { MAX_HOLD_MS } from "../../relay/backup/bounds.js";
import { isMarked, setMark } from "../../relay/backup/marks.js";
import { LocalPart, snapshotsOf } from "../../relay/backup/part.js";
import { restoreBackup } from "../../relay/backup/write.js";
import { backup } from "../../relay/commands/backup.js";
import { restore } from "../../relay/commands/restore.js";
import { type RelayServer, startRelayServer } from "../../relay/server/server.js";
import { prepareFolders } from "../../relay/workers/prepare.js";
import { digestOfPairs } from "../../shared/digest.js";
import type { ConversationId } from "../../shared/ids.js";
import type { KeyValue } from "../../shared/key-value.js";
import { openLevel } from "../../shared/node/level-key-value.js";
import { nodeClock, nodeCrypto } from "../../shared/node/runtime.js";
import type { RelayFrame } from "../../shared/protocol.js";
import type { Log } from "../../shared/runtime.js";
import { Client, type DeviceKey, ManualClock, remote } from "./world.js";

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };

let folder: string;
let data: string;
let file: string;
const servers: RelayServer[] = [];

async function start(on: string): Promise<RelayServer> {
  const server = await startRelayServer(
    {
      ...{ data: on, host: "127.0.0.1", port: 0, heartbeatMs: 15_000, iceServers: [] },
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
  return server;
}

/** What a command says, and with which code it ends. */
async function run(
  command: (args: readonly string[]) => Promise<number>,
  ...args: string[]
): Promise<{ code: number; said: string }> {
  let said = "";
  const spies = (["stdout", "stderr"] as const).map((which) =>
    vi.spyOn(process[which], "write").mockImplementation((text) => {
      said += text;
      return true;
    }),
  );
  try {
    return { code: await command(args), said };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "dovetail-backup-"));
  data = join(folder, "data");
  file = join(folder, "backup");
});
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
  await rm(folder, { recursive: true });
});

/** All of a log, which is short. */
async function entriesOf(client: Client, id: ConversationId) {
  const all: Extract<RelayFrame, { type: "page" }>["entries"][number][] = [];
  for (;;) {
    const fromSeq = (all.at(-1)?.seq ?? 0) + 1;
    const page = await client.ask({
      type: "getEntries",
      conversationId: id,
      fromSeq,
      limit: 200,
    });
    if (page.type !== "page") throw new Error(page.type);
    all.push(...page.entries);
    if (page.entries.length === 0) return all;
  }
}

/** Writes to one log, then to the other, and so on until it is told to end. */
function writing(client: Client, [first, second]: readonly [ConversationId, ConversationId]) {
  let ended = false;
  let acknowledged = 0;
  const run = (async () => {
    while (!ended) {
      const n = acknowledged + 1;
      await client.append(first, n, [`first ${n}`]);
      await client.append(second, n, [`second ${n}`]);
      acknowledged = n;
    }
  })();
  return {
    get acknowledged() {
      return acknowledged;
    },
    async reached(count: number) {
      await vi.waitUntil(() => acknowledged >= count, { timeout: 10_000, interval: 1 });
    },
    async end() {
      ended = true;
      await run;
    },
  };
}

async function again(server: RelayServer, key: DeviceKey): Promise<Client> {
  const client = new Client(remote(server.url), key);
  await client.authenticate();
  return client;
}

describe.each([
  ["in one place", async () => {}],
  ["in folders", () => prepareFolders(data, silent)],
])("data %s", (_, prepare) => {
  it("are the same after a restore, up to where the logs were, while clients write", async () => {
    await mkdir(data);
    await prepare();
    const server = await start(data);
    const alice = new Client(remote(server.url));
    await alice.register("alice");
    const bob = new Client(remote(server.url));
    await bob.register("bob");
    const talks = [await alice.open(bob.userId), await alice.open(alice.userId)] as const;
    const writes = writing(alice, talks);
    await writes.reached(20);
    const before = writes.acknowledged;
    const made = await run(backup, "--data", data, "--to", file);
    expect(made).toEqual({ code: 0, said: expect.stringMatching(/ rows of relay-\S+, as of /) });
    const after = writes.acknowledged;
    await writes.reached(after + 5);
    await writes.end();

    const target = join(folder, "restored");
    expect(await run(restore, "--data", target, "--from", file)).toMatchObject({ code: 0 });
    const restored = await start(target);
    const same = await again(restored, alice.key);
    const heads: number[] = [];
    for (const id of talks) {
      const now = await entriesOf(alice, id);
      const then = await entriesOf(same, id);
      heads.push(then.length);
      const upTo = now.slice(0, then.length);
      expect(digestOfPairs(nodeCrypto, then)).toEqual(digestOfPairs(nodeCrypto, upTo));
      expect(then).toEqual(upTo);
    }
    const [first = 0, second = 0] = heads;
    expect(first).toBeGreaterThanOrEqual(before);
    expect(first).toBeLessThanOrEqual(after + 1);
    // Of one moment: what was written after an answer is not there without what the answer was to.
    expect(first - second).toBeGreaterThanOrEqual(0);
    expect(first - second).toBeLessThanOrEqual(1);

    // And it goes on from there.
    expect(await same.append(talks[0], first + 1, ["on"])).toMatchObject({ type: "appended" });
    expect((await again(restored, bob.key)).userId).toBe(bob.userId);
  });

  it("are backed up where no relay runs as well", async () => {
    await mkdir(data);
    await prepare();
    const server = await start(data);
    const alice = new Client(remote(server.url));
    await alice.register("alice");
    const id = await alice.open(alice.userId);
    await alice.append(id, 1, ["one", "two"]);
    await servers.pop()?.close();

    expect(await run(backup, "--data", data, "--to", file)).toMatchObject({ code: 0 });
    const target = join(folder, "restored");
    await restoreBackup(file, target);
    expect(await (await again(await start(target), alice.key)).log(id)).toEqual(["one", "two"]);
  });
});

describe("a backup file", () => {
  const target = () => join(folder, "restored");
  const restored = () => run(restore, "--data", target(), "--from", file);

  beforeEach(async () => {
    const kv = await openLevel(data);
    const some = Array.from({ length: 50 }, (_, i) => i);
    await kv.batch([
      { type: "put", key: "meta/name", value: Uint8Array.of(1, 5, ...Buffer.from("relay")) },
      ...some.map((i) => ({ type: "put" as const, key: `x/${i}`, value: new Uint8Array(900) })),
    ]);
    await kv.close();
    expect(await run(backup, "--data", data, "--to", file)).toMatchObject({ code: 0 });
  });

  it("is nobody's but its owner's, and is not written over", async () => {
    const bytes = await readFile(file);
    expect(await run(backup, "--data", data, "--to", file)).toEqual({
      code: 1,
      said: `${file} is there already.\n`,
    });
    expect(await readFile(file)).toEqual(bytes);
    expect(await readdir(folder)).not.toContain("backup.part");
  });

  it("that is altered, at whichever place, or too short or too long is refused before anything is made", async () => {
    const whole = await readFile(file);
    for (let at = 0; at < whole.length; at += 97) {
      const altered = Buffer.from(whole);
      altered[at] = (altered[at] ?? 0) ^ 1;
      await writeFile(file, altered);
      expect(await restored()).toMatchObject({ code: 1 });
    }
    await writeFile(file, Buffer.concat([whole, Buffer.of(0)]));
    expect((await restored()).said).toContain("goes on after its end");
    await writeFile(file, whole);
    await truncate(file, whole.length - 40);
    expect((await restored()).said).toContain("ends too early");
    await truncate(file, 0);
    expect(await restored()).toMatchObject({ code: 1 });
    expect(await readdir(folder)).not.toContain("restored");
  });

  it("of a newer relay is refused as one", async () => {
    const whole = await readFile(file);
    const at = whole.indexOf('"format":1') + '"format":'.length;
    whole[at] = "9".charCodeAt(0);
    await writeFile(file, whole);
    expect((await restored()).said).toContain("newer relay (format 9");
  });

  it("is restored into nothing that is there already", async () => {
    await mkdir(target());
    await writeFile(join(target(), "mine"), "");
    expect((await restored()).said).toContain("is not empty");
    expect(await readdir(target())).toEqual(["mine"]);
  });

  it("that was restored halfway is no data to start on, and is restored anew", async () => {
    await mkdir(target());
    await setMark(target(), "restoring");
    const kv = await openLevel(target());
    await kv.batch([{ type: "put", key: "half", value: new Uint8Array(1) }]);
    await kv.close();
    await expect(start(target())).rejects.toThrow("restore it again");
    expect(await run(backup, "--data", target(), "--to", `${file}2`)).toMatchObject({ code: 1 });

    expect(await restored()).toMatchObject({ code: 0 });
    expect(await isMarked(target(), "restoring")).toBe(false);
    const whole = await openLevel(target());
    expect(await whole.get("half")).toBeUndefined();
    expect(await whole.get("x/49")).toEqual(new Uint8Array(900));
    await whole.close();
  });
});

describe("snapshots of several processes", () => {
  const put = (kv: KeyValue, value: number) =>
    kv.batch([{ type: "put", key: "n", value: Uint8Array.of(value) }]);
  const opened: KeyValue[] = [];
  afterEach(() => Promise.all(opened.splice(0).map((kv) => kv.close())));

  async function part(name: string, clock = new ManualClock()) {
    const barrier = new Barrier();
    const kv = barrier.guard(await openLevel(join(folder, name)));
    opened.push(kv);
    return { kv, clock, part: new LocalPart([{ name, kv }], barrier, clock) };
  }

  it("are of one moment: no write is between them, and those that waited are done", async () => {
    const [one, two] = [await part("one"), await part("two")];
    // A process far away, in whose time the other could write a lot.
    const late = {
      hold: () => two.part.hold(),
      async take() {
        for (let i = 0; i < 300; i += 1) await two.kv.get("n");
        return two.part.take();
      },
      release: () => two.part.release(),
      page: (name: string, after: string) => two.part.page(name, after),
      drop: () => two.part.drop(),
    };
    let value = 0;
    let ended = false;
    const writes = (async () => {
      for (; !ended; value += 1) {
        await put(one.kv, value);
        await put(two.kv, value);
      }
    })();
    for (let round = 0; round < 10; round += 1) {
      await vi.waitUntil(() => value > round * 5, { interval: 1 });
      const values: number[] = [];
      const snapshots = await snapshotsOf([one.part, late]);
      for (const snapshot of snapshots) {
        for await (const row of snapshot.rows()) values.push(row.value[0] as number);
      }
      const [first = 0, second = 0] = values;
      expect([first, first - 1].map((each) => each & 255)).toContain(second);
      await Promise.all(snapshots.map((snapshot) => snapshot.close()));
    }
    ended = true;
    await writes;
  });

  it("are refused where writes were not held any more, which no process does for long", async () => {
    const { kv, part: one, clock } = await part("one");
    await one.hold();
    const waiting = put(kv, 1);
    clock.advance(MAX_HOLD_MS);
    await waiting;
    await expect(one.take()).rejects.toMatchObject({ code: "overloaded" });
  });

  it("fail where one of the processes does, and hold nobody's writes after that", async () => {
    const { kv, part: one } = await part("one", nodeClock as unknown as ManualClock);
    const gone = { ...one, hold: () => Promise.reject(new Error("gone")) };
    for (const name of ["take", "release", "page", "drop"] as const) {
      Object.assign(gone, { [name]: () => Promise.reject(new Error("gone")) });
    }
    await expect(snapshotsOf([one, gone as never])).rejects.toThrow("gone");
    await put(kv, 1);
    expect(await kv.get("n")).toEqual(Uint8Array.of(1));
  });
});
