/** Two relay nodes as an operator starts them: on one Cassandra, hearing each other through NATS. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pino } from "pino";
import { afterAll, beforeAll, expect, it } from "vitest";
import { askRelay } from "../../relay/admin/client.js";
import { readOptions } from "../../relay/options.js";
import { type RelayServer, startRelayServer } from "../../relay/server/server.js";
import { startCassandra } from "../parts/cassandra.mjs";
import { findNats, freePort, startNats } from "../parts/nats.mjs";
import { introduce, Scene, until } from "../real/processes.js";
import { Client, remote } from "../relay/world.js";

const LAUNCHER = resolve(import.meta.dirname, "../../electron/launch/run.mjs");

let cassandra: Awaited<ReturnType<typeof startCassandra>>;
let nats: Awaited<ReturnType<typeof startNats>>;
let data: string;
const servers: RelayServer[] = [];

beforeAll(async () => {
  if (findNats() === null) return;
  nats = await startNats();
  cassandra = await startCassandra();
  data = await mkdtemp(join(tmpdir(), "dovetail-nodes-"));
});
afterAll(async () => {
  await Promise.all(servers.map((server) => server.close()));
  await nats?.close();
  await cassandra?.close();
  if (data) await rm(data, { recursive: true, force: true });
});

const folderOf = (name: string): string => join(data, name);

const argumentsOf = (name: string): string[] => [
  ...["--port", "0", "--data", folderOf(name), "--store", "cassandra", "--log-level", "silent"],
  ...["--cassandra-contact-points", cassandra.contactPoints.join(",")],
  ...["--cassandra-replication", "1", "--nats", nats.url],
];

async function startNode(name = "unused"): Promise<RelayServer> {
  const options = readOptions(argumentsOf(name), {}, () => {});
  if (!options) throw new Error("no options");
  const server = await startRelayServer(options, pino({ level: "silent" }));
  servers.push(server);
  return server;
}

it("what is written at one node is pushed to those at the other, who see who is there", async (context) => {
  context.skip(findNats() === null, "nats-server is not installed");
  const [first, second] = [await startNode(), await startNode()];
  const alice = new Client(remote(first.url));
  await alice.register("alice");
  const bob = new Client(remote(second.url));
  await bob.register("bob");
  const talk = await alice.open(bob.userId);
  await bob.got("conversation");
  for (let n = 1; n <= 5; n++) {
    expect(await alice.append(talk, n, [`alice ${n}`])).toMatchObject({ type: "appended" });
    expect(await bob.append(talk, n, [`bob ${n}`])).toMatchObject({ type: "appended" });
  }
  const texts = Array.from({ length: 5 }, (_, i) => [`alice ${i + 1}`, `bob ${i + 1}`]).flat();
  expect(await alice.log(talk)).toEqual(texts);
  expect(await bob.log(talk)).toEqual(texts);
  // Each was pushed what the other wrote.
  await alice.got("entries", 5);
  await bob.got("entries", 5);
  const { states } = (await alice.ask({
    type: "watchPresence",
    userIds: [bob.userId],
  })) as unknown as {
    states: { devices: readonly string[] }[];
  };
  expect(states).toMatchObject([{ devices: [bob.key.deviceId] }]);
});

it("a node that is gone is not waited for: its clients go on at another", async (context) => {
  context.skip(findNats() === null, "nats-server is not installed");
  const [leaving, staying] = [await startNode(), await startNode()];
  const carol = new Client(remote(leaving.url));
  await carol.register("carol");
  const dave = new Client(remote(staying.url));
  await dave.register("dave");
  const talk = await carol.open(dave.userId);
  expect(await carol.append(talk, 1, ["before"])).toMatchObject({ type: "appended" });
  await leaving.close();
  servers.splice(servers.indexOf(leaving), 1);
  const again = new Client(remote(staying.url), carol.key);
  await again.authenticate();
  expect(await again.append(talk, 2, ["after"])).toMatchObject({ type: "appended" });
  expect(await dave.log(talk)).toEqual(["before", "after"]);
});

it("an operator sees at any node what is hot, and which node was killed", async (context) => {
  context.skip(findNats() === null, "nats-server is not installed");
  const staying = await startNode("staying");
  const other = spawn(process.execPath, [LAUNCHER, "relay", ...argumentsOf("killed")], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  try {
    await once(other.stdout, "data");
    const nodes = async () => (await askRelay(folderOf("staying"), "status", {})).nodes;
    const others = async () => (await nodes()).filter(({ here }) => !here);
    const killed = async () => {
      const all = await others();
      return all.find(({ summary }) => summary?.label.endsWith(`/${other.pid}`));
    };
    await expect.poll(killed, { timeout: 15_000 }).toMatchObject({ goneAt: null });
    expect((await killed())?.shards).toBeGreaterThan(0);

    const erin = new Client(remote(staying.url));
    await erin.register("erin");
    const notes = await erin.open(erin.userId);
    for (let n = 1; n <= 20; n++) await erin.append(notes, n, ["hot"]);
    const hottest = async () =>
      (await nodes()).flatMap(({ summary }) => summary?.hot ?? []).map(({ appends }) => appends);
    await expect.poll(hottest, { timeout: 15_000 }).toContain(20);

    other.kill("SIGKILL");
    await expect
      .poll(killed, { timeout: 15_000 })
      .toMatchObject({ goneAt: expect.any(Number), shards: 0, summary: { draining: false } });
  } finally {
    other.kill("SIGKILL");
  }
});

it("who has been told of another node goes there when the own one is killed, also after a restart", async (context) => {
  context.skip(findNats() === null, "nats-server is not installed");
  const scene = new Scene();
  try {
    const startAt = async (name: string) => {
      const port = await freePort();
      const here = ["--port", `${port}`, "--advertise", `ws://127.0.0.1:${port}`];
      return scene.relay({ data: folderOf(name), args: [...argumentsOf(name), ...here] });
    };
    const [first, second] = await Promise.all([startAt("advertised-1"), startAt("advertised-2")]);
    // A node learns the other's address from its summary, and a client as it connects.
    const summaries = async (name: string) =>
      (await askRelay(folderOf(name), "status", {})).nodes.map(({ summary }) => summary?.label);
    const label = (relay: typeof first) => expect.stringMatching(`/${relay.pid}$`);
    for (const name of ["advertised-1", "advertised-2"]) {
      const known = expect.arrayContaining([label(first), label(second)]);
      await expect.poll(() => summaries(name), { timeout: 15_000 }).toEqual(known);
    }
    const frank = await scene.person("frank", first.url);
    const grace = await scene.person("grace", second.url);
    const talk = await introduce(frank, grace, false);
    const say = (person: typeof frank, text: string) =>
      person.client.call("messages.send", { conversationId: talk, text });
    const placed = (person: typeof frank, count: number) =>
      until(
        `${person.handle} has ${count} in their places`,
        () => person.client.messages(talk),
        (list) => list.length === count && list.every(({ seq }) => seq !== null),
      );
    const connected = async () =>
      (await first.metric("dovetail_connections")) + (await second.metric("dovetail_connections"));
    await say(frank, "at the first");
    await placed(grace, 1);
    await until("both are there", connected, (count) => count === 2);

    await first.kill();
    await say(frank, "at the second");
    await placed(grace, 2);
    await until(
      "both are at the second",
      () => second.metric("dovetail_connections"),
      (count) => count === 2,
    );

    await frank.client.kill();
    const again = await scene.again(frank, first.url);
    await say(again, "at the second, from the start");
    const texts = (await placed(grace, 3)).map(({ text }) => text);
    expect(texts).toEqual(["at the first", "at the second", "at the second, from the start"]);
  } finally {
    await scene.end();
  }
});
