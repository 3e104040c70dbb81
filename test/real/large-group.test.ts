/** A group as large as one may be, on a real relay. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { allShow, crowd } from "../../bench/crowd.js";
import type { Client } from "../../electron/client/index.js";
import { MAX_GROUP_MEMBERS } from "../../shared/limits.js";
import { NO_LIMITS, Scene, until } from "./processes.js";

/** All are at one address here, which no relay would take from strangers. */
let scene: Scene;
let people: Client[];

beforeEach(() => {
  scene = new Scene();
  people = [];
});
afterEach(async () => {
  await Promise.all(people.map((client) => client.close()));
  await scene.end();
});

test("one message reaches all of a thousand that are there, and its sender brings it once", async () => {
  const relay = await scene.relay({ data: await scene.folder(), args: NO_LIMITS });
  people = await crowd(relay.url, MAX_GROUP_MEMBERS, "member");
  const [alice, ...others] = people as [Client, ...Client[]];
  const handles = others.map((_, i) => `member${i + 1}`);
  const { conversationId } = await alice.call("groups.create", { name: "All", handles });
  const knows = (client: Client) =>
    client.call("conversations.get", { conversationId }).then(
      ({ memberCount }) => memberCount === MAX_GROUP_MEMBERS,
      () => false,
    );
  await until(
    "all know the group",
    async () => (await Promise.all(people.map(knows))).filter(Boolean).length,
    (count) => count === MAX_GROUP_MEMBERS,
  );

  const brought = () => relay.metric("dovetail_append_requests_total");
  const appended = () => relay.metric("dovetail_appended_total");
  const [before, entries] = [await brought(), await appended()];
  const received = allShow(others, "to all of you");
  await alice.call("messages.send", { conversationId, text: "to all of you" });
  await received;
  // Once more for each connection that a busy machine broke, and never once for each member.
  expect(await brought()).toBeLessThan(before + 5);
  expect(await appended()).toBe(entries + 1);
});
