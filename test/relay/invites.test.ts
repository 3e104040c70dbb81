import { beforeEach, expect, it } from "vitest";
import type { ConversationId } from "../../shared/ids.js";
import { MAX_INVITES } from "../../shared/limits.js";
import type { RelayFrame } from "../../shared/protocol.js";
import { type Client, World } from "./world.js";

let world: World;
let alice: Client;
let bob: Client;
let carol: Client;
const club = "c1".repeat(16) as ConversationId;
const CODE = "ABCDEFGH2345";

beforeEach(async () => {
  world = await World.open();
  alice = await world.person("alice");
  bob = await world.person("bob");
  carol = await world.person("carol");
  await alice.createGroup(club, []);
});

const refused = (code: string) => ({ type: "error", code });
const invite = (
  code: string,
  wanted: { expiresAt?: number; maxUses?: number } = {},
  by: Client = alice,
): Promise<RelayFrame> =>
  by.ask({
    type: "createInvite",
    conversationId: club,
    code,
    expiresAt: wanted.expiresAt ?? null,
    maxUses: wanted.maxUses ?? null,
    preview: Uint8Array.of(7),
  });
const join = (client: Client, code = CODE): Promise<RelayFrame> =>
  client.ask({ type: "join", code, payload: new Uint8Array(0) });
const look = (client: Client, code = CODE): Promise<RelayFrame> =>
  client.ask({ type: "getInvitation", code });
const list = (client: Client): Promise<RelayFrame> =>
  client.ask({ type: "getInvites", conversationId: club });

it("shows what one is invited to, and lets one in by an entry of one's own", async () => {
  expect(await invite(CODE)).toMatchObject({ type: "done" });
  expect(await look(bob)).toMatchObject({
    conversationId: club,
    joined: false,
    memberCount: 1,
    preview: Uint8Array.of(7),
  });
  expect(await join(bob)).toMatchObject({
    type: "opened",
    conversation: { head: 2, members: [{ handle: "alice" }, { handle: "bob", admin: false }] },
  });
  for (const { entries } of [await alice.got("entries", 2), await bob.got("entries")]) {
    expect(entries).toMatchObject([
      { seq: 2, userId: bob.userId, membership: { epoch: 2, adds: [{ userId: bob.userId }] } },
    ]);
  }
  expect(await look(bob)).toMatchObject({ joined: true, memberCount: 2 });
});

it("answers who is in already, and counts no second use", async () => {
  await invite(CODE, { maxUses: 1 });
  await Promise.all([join(bob), join(bob)]);
  expect(await join(bob)).toMatchObject({ type: "opened", conversation: { head: 2 } });
  expect(await look(bob)).toMatchObject({ joined: true });
  expect(await look(carol)).toMatchObject(refused("link_invalid"));
});

it("lets no more in than said, however many come at once", async () => {
  await invite(CODE, { maxUses: 2 });
  const others = await Promise.all(["dave", "erin"].map((name) => world.person(name)));
  const second = world.anotherRelay();
  const there = world.connect(carol.key, second);
  await there.authenticate();
  await look(there);
  const answers = await Promise.all([bob, there, ...others].map((client) => join(client)));
  expect(answers.filter(({ type }) => type === "opened")).toHaveLength(2);
  for (const answer of answers.filter(({ type }) => type !== "opened")) {
    expect(answer).toMatchObject(refused("link_invalid"));
  }
  expect((await alice.state(club)).head).toBeLessThanOrEqual(3);
  expect((await world.store.logs.conversation(club))?.group.members).toHaveLength(3);
});

it("is of no use once it has expired or was revoked, and says no more than an unknown one", async () => {
  await invite(CODE, { expiresAt: world.clock.now() + 1_000 });
  await invite("REVKED234567");
  await alice.ask({ type: "revokeInvite", conversationId: club, code: "REVKED234567" });
  expect(await look(bob)).toMatchObject({ type: "invitation" });
  world.clock.advance(1_000);
  for (const code of [CODE, "REVKED234567", "NQT2THERE234", "../short"]) {
    expect(await look(bob, code)).toMatchObject(refused("link_invalid"));
    expect(await join(bob, code)).toMatchObject(refused("link_invalid"));
  }
  expect(await list(alice)).toMatchObject({ invites: [] });
});

it("is made and seen by those who may add people", async () => {
  await invite(CODE);
  await join(bob);
  expect(await invite("BBBBBBBB2345", {}, bob)).toMatchObject({ type: "done" });
  await alice.change(club, 2, { restricted: true });
  expect(await invite("BBBBBBBB2346", {}, bob)).toMatchObject(refused("not_allowed"));
  expect(await list(bob)).toMatchObject(refused("not_allowed"));
  expect(await list(carol)).toMatchObject(refused("not_a_member"));
  expect(await list(alice)).toMatchObject({
    invites: [
      { code: CODE, createdBy: alice.userId, uses: 1 },
      { code: "BBBBBBBB2345", createdBy: bob.userId, uses: 0 },
    ],
  });
  // A link stays one: it is how people come who could not add themselves.
  expect(await join(carol)).toMatchObject({ type: "opened" });
});

it("is one of a bounded number, of which the dead ones are not", async () => {
  const code = (i: number): string => `CODE${String(i).padStart(8, "0")}`;
  for (let i = 0; i < MAX_INVITES; i++) await invite(code(i), { maxUses: 1 });
  expect(await invite(code(0))).toMatchObject({ type: "done" });
  expect(await invite(CODE)).toMatchObject(refused("too_many_invites"));
  await join(bob, code(3));
  expect(await invite(CODE)).toMatchObject({ type: "done" });
  expect(await list(alice)).toHaveProperty("invites.length", MAX_INVITES);
});

it("cannot be taken over by another group", async () => {
  await invite(CODE);
  const other = "c2".repeat(16) as ConversationId;
  await bob.createGroup(other, []);
  const asked = {
    type: "createInvite",
    conversationId: other,
    code: CODE,
    expiresAt: null,
    maxUses: null,
    preview: new Uint8Array(0),
  } as const;
  expect(await bob.ask(asked)).toMatchObject(refused("link_invalid"));
  await bob.ask({ type: "revokeInvite", conversationId: other, code: CODE });
  expect(await look(carol)).toMatchObject({ conversationId: club });
});

it("leads nowhere once everybody has left", async () => {
  await invite(CODE);
  await alice.change(club, 1, { removes: [alice.userId] });
  expect(await look(bob)).toMatchObject(refused("link_invalid"));
});
