/** A backup of a relay of several processes, taken while people write. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";
import { conversationsOf, openSource, type Source } from "../../relay/migrate/source.js";
import { digestOfPairs } from "../../shared/digest.js";
import type { ConversationId } from "../../shared/ids.js";
import { nodeCrypto } from "../../shared/node/runtime.js";
import { DIST, introduce, Scene, until } from "./processes.js";

const run = promisify(execFile);
const command = (...args: string[]) =>
  run(process.execPath, [join(DIST, "relay/main.js"), ...args], { timeout: 60_000 });

let scene: Scene;
beforeEach(() => {
  scene = new Scene();
});
afterEach(() => scene.end());

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const entriesIn = ({ store }: Source, id: Parameters<Source["at"]>[0]) =>
  store.logs.entries(id, 1, 100_000);

test("four workers' data of one moment are restored for two, and what came since is brought again", async () => {
  const data = await scene.folder();
  const start = (on: string, workers: number, port = 0) =>
    scene.relay({ data: on, port, args: ["--workers", `${workers}`] });
  const relay = await start(data, 4);
  const alice = await scene.person("alice", relay.url);
  const others = await Promise.all(
    ["bob", "carol", "dave"].map((handle) => scene.person(handle, relay.url)),
  );
  const talks: ConversationId[] = [];
  for (const other of others) talks.push(await introduce(alice, other, false));
  let sent = 0;
  let ended = false;
  const writes = (async () => {
    for (; !ended; sent += 1) {
      const conversationId = talks[sent % talks.length] as ConversationId;
      await alice.client.call("messages.send", { conversationId, text: `text ${sent}` });
    }
  })();
  const all = async () => (await Promise.all(talks.map((id) => alice.client.messages(id)))).flat();
  const placed = async () => (await all()).filter(({ seq }) => seq !== null).length;
  await until("the relay has some", placed, (count) => count > 30);
  const file = join(await scene.folder(), "backup");
  const { stdout } = await command("backup", "--data", data, "--to", file);
  expect(stdout).toMatch(/ has \d+ rows of relay-\S+, as of /);
  const after = sent;
  await until(
    "more are sent",
    async () => sent,
    (count) => count > after + 10,
  );
  ended = true;
  await writes;
  await until("all have their places", all, (list) => list.every(({ seq }) => seq !== null));
  await relay.kill();

  const restored = join(await scene.folder(), "restored");
  await command("restore", "--data", restored, "--from", file);
  const [before, then] = [await openSource(data, silent), await openSource(restored, silent)];
  let kept = 0;
  for await (const id of conversationsOf(then)) {
    const there = await entriesIn(then, id);
    const here = (await entriesIn(before, id)).slice(0, there.length);
    expect(digestOfPairs(nodeCrypto, there)).toEqual(digestOfPairs(nodeCrypto, here));
    kept += there.length;
  }
  expect(kept).toBeGreaterThan(30);
  await Promise.all([before.close(), then.close()]);

  await start(restored, 2, relay.port);
  for (const [i, other] of others.entries()) {
    const id = talks[i] as ConversationId;
    const wanted = (await alice.client.messages(id)).map(({ text }) => text);
    const list = await until(
      `${other.handle} has what alice wrote`,
      () => other.client.messages(id),
      (found) => found.length === wanted.length && found.every(({ seq }) => seq !== null),
    );
    expect(list.map(({ text }) => text)).toEqual(wanted);
  }
});
