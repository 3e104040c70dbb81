/** A relay of several processes on one machine, and data that outlive how many there were. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { askRelay } from "../../relay/admin/client.js";
import type { ConversationId } from "../../shared/ids.js";
import { type Person, type Relay, Scene, until } from "./processes.js";

let scene: Scene;
let data: string;
beforeEach(async () => {
  scene = new Scene();
  data = await scene.folder();
});
afterEach(() => scene.end());

const start = (workers: number, port = 0): Promise<Relay> =>
  scene.relay({ data, port, args: ["--workers", `${workers}`, "--log-level", "info"] });

const people = (relay: Relay, ...handles: string[]): Promise<Person[]> =>
  Promise.all(handles.map((handle) => scene.person(handle, relay.url)));

const groupOf = async (founder: Person, others: readonly Person[]): Promise<ConversationId> => {
  const handles = others.map(({ handle }) => handle);
  const { conversationId } = await founder.client.call("groups.create", { name: "All", handles });
  for (const other of others) await knows(other, conversationId);
  return conversationId;
};

const knows = (person: Person, id: ConversationId) =>
  until(
    `${person.handle} knows the group`,
    () => person.client.call("conversations.list", { limit: 100 }),
    (list) => list.some(({ conversationId }) => conversationId === id),
  );

/** What somebody has, in order, once that many are there and all have their places. */
async function textsOf(
  { client, handle }: Person,
  conversationId: ConversationId,
  count: number,
): Promise<string[]> {
  const messages = await until(
    `${handle} has ${count} messages in their places`,
    async () => {
      const list = await client.call("messages.list", { conversationId, limit: 500 });
      return list.filter(({ text }) => text !== null && text !== "");
    },
    (list) => list.length >= count && list.every(({ seq }) => seq !== null),
  );
  return messages.map(({ text }) => text);
}

const say = (person: Person, conversationId: ConversationId, text: string) =>
  person.client.call("messages.send", { conversationId, text });

test("four workers are one relay: a kill -9 of each in turn loses nothing and changes no order", async () => {
  const relay = await start(4);
  const all = await people(relay, "alice", "bob", "carol", "dave", "erin", "frank");
  const [alice, ...others] = all as [Person, ...Person[]];
  const group = await groupOf(alice, others);
  expect(await relay.metric("dovetail_workers")).toBe(4);
  expect(await relay.metric("dovetail_connections")).toBe(all.length);
  expect(await relay.metric("dovetail_users")).toBe(all.length);

  const said: string[] = [];
  const round = async (name: string): Promise<void> => {
    const texts = all.map(({ handle }) => `${handle} ${name}`);
    said.push(...texts);
    await Promise.all(all.map((person, i) => say(person, group, texts[i] as string)));
  };
  await round("at first");
  for (let worker = 0; worker < 4; worker++) {
    const before = [...relay.workers];
    process.kill(before[worker] as number, "SIGKILL");
    await round(`without ${worker}`);
    await until(
      "the worker is there again",
      async () => relay.workers[worker],
      (pid) => pid !== before[worker],
    );
    await round(`with ${worker} again`);
  }
  const orders = await Promise.all(all.map((person) => textsOf(person, group, said.length)));
  expect([...(orders[0] as string[])].sort()).toEqual([...said].sort());
  for (const order of orders) expect(order).toEqual(orders[0]);
});

test("how many workers there are may change at every start, and so may one process become several", async () => {
  let relay = await start(1);
  const { port } = relay;
  const [alice, bob, carol] = (await people(relay, "alice", "bob", "carol")) as [
    Person,
    Person,
    Person,
  ];
  const group = await groupOf(alice, [bob, carol]);
  const said: string[] = [];
  const speak = async (text: string): Promise<void> => {
    said.push(text);
    await say(alice, group, text);
    expect(await textsOf(bob, group, said.length)).toEqual(said);
  };
  await speak("in one process");
  await carol.client.kill();
  for (const workers of [3, 2, 8, 1]) {
    await relay.kill("SIGTERM");
    expect(await relay.exited()).toBe(0);
    relay = await start(workers, port);
    await speak(`by ${workers}`);
  }
  const back = await scene.again(carol, relay.url);
  expect(await textsOf(back, group, said.length)).toEqual(said);
  // Names, too, are where they were.
  await expect(scene.person("alice", relay.url)).rejects.toMatchObject({ code: "handle_taken" });
});

test("workers end with the first process, and the next start finds the data free", async () => {
  const relay = await start(2);
  const { port } = relay;
  const [alice, bob] = (await people(relay, "alice", "bob")) as [Person, Person];
  const group = await groupOf(alice, [bob]);
  await say(alice, group, "before");
  expect(await textsOf(bob, group, 1)).toEqual(["before"]);
  await relay.kill("SIGKILL");
  await start(2, port);
  await say(bob, group, "after");
  expect(await textsOf(alice, group, 2)).toEqual(["before", "after"]);
});

test("a drain ends also where a worker ends meanwhile and another starts in its place", async () => {
  const relay = await start(3);
  await people(relay, "alice", "bob", "carol");
  await askRelay(data, "drain", { withinMs: 1_500 });
  process.kill(relay.workers[1] as number, "SIGKILL");
  expect(await relay.exited()).toBe(0);
});

test("a relay whose port is taken says so once, and leaves no process behind", async () => {
  const relay = await start(1);
  data = await scene.folder();
  const error = await start(3, relay.port).catch((reason: Error) => reason);
  const message = (error as Error).message;
  expect(message.match(/The relay cannot start\. The port is in use already\./g)).toHaveLength(1);
});

/** Nothing of a worker that stands still: the next question comes to another one. */
async function metrics({ http }: Relay): Promise<string> {
  const answer = fetch(`${http}/metrics`, { signal: AbortSignal.timeout(4_000) });
  return (await answer.catch(() => null))?.text() ?? "";
}

test("status and metrics show a worker that was killed, one whose pushes lag, and a hot shard", async () => {
  const relay = await start(3);
  const [alice, bob] = (await people(relay, "alice", "bob")) as [Person, Person];
  const group = await groupOf(alice, [bob]);
  const status = () => askRelay(data, "status", {});
  for (let i = 0; i < 200; i++) await say(alice, group, `${i}`);
  await textsOf(bob, group, 200);
  const { nodes } = await until("the shard is hot", status, (each) =>
    each.nodes.some(({ summary }) => (summary?.hot[0]?.appends ?? 0) >= 100),
  );
  expect(nodes).toHaveLength(3);
  await until(
    "the metric of heat says so",
    () => metrics(relay),
    (text) => /^dovetail_shard_heat\{shard="\d+",worker="\d"\} [1-9]/m.test(text),
  );

  const [, killed, paused] = relay.workers as [number, number, number];
  process.kill(killed, "SIGKILL");
  await until("the killed one is gone, and another in its place", status, (each) => {
    const gone = each.nodes.filter(({ goneAt }) => goneAt !== null);
    return gone.length === 1 && each.nodes.length === 4;
  });
  process.kill(paused, "SIGSTOP");
  try {
    await until("pushes to the paused one lag", status, (each) =>
      each.nodes.some(({ here, summary }) => here && (summary?.lag?.ms ?? 0) > 1_500),
    );
    await until(
      "the metric of lag says so",
      () => metrics(relay),
      (text) =>
        [...text.matchAll(/^dovetail_fan_out_lag_seconds\{worker="\d"\} (\S+)/gm)].some(
          ([, seconds]) => Number(seconds) > 1.5,
        ),
    );
  } finally {
    process.kill(paused, "SIGCONT");
  }
  await until("they do no more", status, (each) =>
    each.nodes.every(({ summary }) => (summary?.lag?.ms ?? 0) < 1_500),
  );
});
