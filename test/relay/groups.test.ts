import { beforeEach, describe, expect, it } from "vitest";
import { type ConversationId, directConversationId, type UserId } from "../../shared/ids.js";
import { MAX_GROUP_MEMBERS } from "../../shared/limits.js";
import { membershipN } from "../../shared/membership.js";
import { nodeCrypto } from "../../shared/node/runtime.js";
import type { RelayFrame } from "../../shared/protocol.js";
import { type Client, World } from "./world.js";

let world: World;
let alice: Client;
let bob: Client;
let carol: Client;
let dave: Client;
const club = "c1".repeat(16) as ConversationId;

beforeEach(async () => {
  world = await World.open();
  alice = await world.person("alice");
  bob = await world.person("bob");
  carol = await world.person("carol");
  dave = await world.person("dave");
});

const make = (): Promise<RelayFrame> => alice.createGroup(club, [bob.userId, carol.userId]);
const placed = (seq: number) => ({ type: "appended", places: [{ seq }] });
const refused = (code: string) => ({ type: "error", code });
/** What was pushed of the group, in the order in which it came. */
const pushed = (client: Client) =>
  client.frames.flatMap((frame) => {
    if (frame.type === "entries") return frame.entries.map(({ seq }) => `entry ${seq}`);
    return frame.type === "conversation" ? [`conversation ${frame.conversation.head}`] : [];
  });

describe("making a group", () => {
  it("is an entry that says who is in it, the one who made it first and as its admin", async () => {
    expect(await make()).toMatchObject({
      type: "opened",
      conversation: {
        kind: "group",
        head: 1,
        epoch: 1,
        restricted: false,
        members: [
          { userId: alice.userId, admin: true },
          { userId: bob.userId, admin: false },
          { userId: carol.userId, admin: false },
        ],
      },
    });
    const { entries } = await bob.got("entries");
    expect(entries).toMatchObject([
      {
        seq: 1,
        n: membershipN(1),
        userId: alice.userId,
        membership: {
          epoch: 1,
          adds: [{ handle: "alice" }, { handle: "bob" }, { handle: "carol" }],
          promotes: [alice.userId],
        },
      },
    ]);
    expect(pushed(bob)).toEqual(["conversation 1", "entry 1"]);
    expect((await bob.got("conversation")).stamp).toBeLessThan((await bob.got("entries")).stamp);
    // Were the answer lost, no later stamp would pass over it.
    expect(pushed(alice)).toEqual(["conversation 1", "entry 1"]);
  });

  it("answers the same when it is asked again, also after a restart", async () => {
    const [first, second] = await Promise.all([make(), make()]);
    const fresh = world.connect(alice.key, world.anotherRelay());
    await fresh.authenticate();
    const third = await fresh.createGroup(club, []);
    for (const answer of [second, third]) {
      const { conversation } = first as Extract<RelayFrame, { type: "opened" }>;
      expect(answer).toMatchObject({ type: "opened", conversation });
    }
    expect((await alice.page(club, 1)) as object).toMatchObject({ head: 1 });
  });

  it("refuses an id that is taken, people who are not there, and too many of them", async () => {
    await make();
    expect(await dave.createGroup(club, [])).toMatchObject(refused("not_found"));
    expect(await bob.createGroup(club, [])).toMatchObject(refused("not_allowed"));
    const other = "c2".repeat(16) as ConversationId;
    const nobody = "0".repeat(32) as UserId;
    expect(await alice.createGroup(other, [nobody])).toMatchObject(refused("not_found"));
    const many = Array.from(
      { length: MAX_GROUP_MEMBERS },
      (_, i) => i.toString(16).padStart(32, "0") as UserId,
    );
    expect(await alice.createGroup(other, many)).toMatchObject(refused("group_full"));
    expect(await alice.page(other, 1)).toMatchObject(refused("not_found"));
  });

  it("does not take the place of two people's direct conversation", async () => {
    const talk = await alice.open(bob.userId);
    expect(await alice.createGroup(talk, [carol.userId])).toMatchObject(refused("not_allowed"));
    expect(await dave.createGroup(talk, [])).toMatchObject(refused("not_found"));
  });

  it("does not keep two people apart by an id that would be theirs", async () => {
    const theirs = directConversationId(alice.userId, bob.userId, nodeCrypto.sha256);
    expect(await dave.createGroup(theirs, [])).toMatchObject({ type: "opened" });
    const talk = await alice.open(bob.userId);
    expect(talk).not.toBe(theirs);
    expect(await bob.open(alice.userId)).toBe(talk);
    expect(await alice.append(talk, 1, ["hello"])).toMatchObject(placed(1));
    expect(await alice.append(theirs, 1, ["hello"])).toMatchObject(refused("not_a_member"));
  });
});

describe("changing who is in", () => {
  beforeEach(make);

  it("takes one change an epoch: who comes later is told to look again", async () => {
    const answers = await Promise.all([
      alice.change(club, 1, { adds: [dave.userId] }),
      bob.change(club, 1, { adds: [dave.userId] }),
    ]);
    expect(answers).toMatchObject([placed(2), refused("stale_epoch")]);
    expect(await bob.change(club, 2, { removes: [bob.userId] })).toMatchObject(placed(3));
    expect((await alice.state(club)).epoch).toBe(3);
  });

  it("takes one an epoch from two relays as well", async () => {
    const second = world.anotherRelay();
    const bobThere = world.connect(bob.key, second);
    await bobThere.authenticate();
    await bobThere.page(club, 1);
    await alice.change(club, 1, { removes: [carol.userId] });
    expect(await bobThere.change(club, 1, { adds: [dave.userId] })).toMatchObject(
      refused("stale_epoch"),
    );
  });

  it("answers a change again whose answer was lost, and no other one", async () => {
    const leave = { removes: [bob.userId] };
    await bob.change(club, 1, leave);
    await alice.change(club, 2, { adds: [dave.userId] });
    expect(await bob.change(club, 1, leave, "again")).toMatchObject(placed(2));
    expect(await alice.change(club, 2, { adds: [dave.userId] })).toMatchObject(placed(3));
    expect(await alice.change(club, 2, { adds: [bob.userId] })).toMatchObject(
      refused("stale_epoch"),
    );
    expect((await alice.state(club)).head).toBe(3);
  });

  it("is for those who may", async () => {
    expect(await bob.change(club, 1, { removes: [carol.userId] })).toMatchObject(
      refused("not_allowed"),
    );
    expect(await dave.change(club, 1, { adds: [dave.userId] })).toMatchObject(
      refused("not_a_member"),
    );
    expect(await alice.change(club, 1, { restricted: true })).toMatchObject(placed(2));
    expect(await bob.change(club, 2, { adds: [dave.userId] })).toMatchObject(
      refused("not_allowed"),
    );
    const talk = await alice.open(bob.userId);
    expect(await alice.change(talk, 0, { adds: [dave.userId] })).toMatchObject(
      refused("not_allowed"),
    );
  });

  it("has numbers of its own beside the device's entries", async () => {
    expect(await alice.append(club, 1, ["one"])).toMatchObject(placed(2));
    expect(await alice.change(club, 1, { adds: [dave.userId] })).toMatchObject(placed(3));
    expect(await alice.append(club, 2, ["two"])).toMatchObject(placed(4));
    expect(await alice.append(club, membershipN(2), ["three"])).toMatchObject(
      refused("out_of_order"),
    );
  });

  it("tells those who come by the conversation first, and all others by the entry alone", async () => {
    await alice.change(club, 1, { adds: [dave.userId] });
    await dave.got("entries");
    expect(pushed(dave)).toEqual(["conversation 2", "entry 2"]);
    expect(pushed(bob)).toEqual(["conversation 1", "entry 1", "entry 2"]);
    expect((await dave.got("conversation")).conversation.members).toHaveLength(4);
  });

  it("keeps the order of what was sent at once: before it for all, after it for those who are in", async () => {
    const before = alice.append(club, 1, ["before"]);
    const change = alice.change(club, 1, { removes: [carol.userId], adds: [dave.userId] });
    const after = alice.append(club, 2, ["after"]);
    expect(await Promise.all([before, change, after])).toMatchObject([
      placed(2),
      placed(3),
      placed(4),
    ]);
    expect(pushed(carol)).toEqual(["conversation 1", "entry 1", "entry 2", "entry 3"]);
    expect(pushed(dave)).toEqual(["conversation 3", "entry 3", "entry 4"]);
  });
});

describe("who is not a member", () => {
  beforeEach(async () => {
    await make();
    await alice.append(club, 1, ["early"]);
    await alice.change(club, 1, { removes: [bob.userId], adds: [dave.userId] });
    await alice.append(club, 2, ["late"]);
  });

  it("gets the entry that removed it as the last one, and no word of what follows", async () => {
    await dave.until(() => pushed(dave).includes("entry 4"));
    expect(pushed(bob).at(-1)).toBe("entry 3");
    expect(await bob.page(club, 1)).toEqual({ head: 3, first: 1, seqs: [1, 2, 3] });
    expect(await bob.page(club, 4)).toEqual({ head: 3, first: 4, seqs: [] });
    expect(await bob.state(club)).toMatchObject({ head: 3, members: [] });
    const changes = await bob.ask({ type: "getChanges", after: 0, limit: 10 });
    expect(changes).toMatchObject({
      conversations: [{ conversationId: club, head: 3, members: [] }],
    });
    expect((changes as { upTo: number }).upTo).toBe(bob.all("entries").at(-1)?.stamp);
  });

  it("reads nothing of the time before it came", async () => {
    expect(await dave.page(club, 1)).toEqual({ head: 4, first: 3, seqs: [3, 4] });
    const outsider = await world.person("erin");
    expect(await outsider.page(club, 1)).toMatchObject(refused("not_a_member"));
    expect(await outsider.ask({ type: "getConversation", conversationId: club })).toMatchObject(
      refused("not_a_member"),
    );
  });

  it("jumps over the time between, when it comes again", async () => {
    await alice.change(club, 2, { adds: [bob.userId] });
    await alice.append(club, 3, ["again"]);
    expect(await bob.page(club, 1)).toEqual({ head: 6, first: 1, seqs: [1, 2, 3] });
    expect(await bob.page(club, 4)).toEqual({ head: 6, first: 5, seqs: [5, 6] });
    const fresh = world.connect(bob.key, world.anotherRelay());
    await fresh.authenticate();
    expect(await fresh.page(club, 4)).toEqual({ head: 6, first: 5, seqs: [5, 6] });
  });

  it("writes nothing: no entries, no cursors, no typing", async () => {
    expect(await bob.append(club, 1, ["still here?"])).toMatchObject(refused("not_a_member"));
    expect(
      await bob.ask({
        type: "moveCursors",
        conversationId: club,
        deliveredUpTo: 3,
        readUpTo: 3,
      }),
    ).toMatchObject(refused("not_a_member"));
    bob.tell({ type: "typing", conversationId: club, active: true });
    await bob.page(club, 1);
    expect(alice.all("typing")).toEqual([]);
    expect((await alice.state(club)).head).toBe(4);
  });

  it("is not written for by a member either", async () => {
    const signatures = [bob.signatureOf(club, 1, "hi")];
    const of = bob.key.deviceId;
    expect(await carol.append(club, 1, ["hi"], { of, signatures })).toMatchObject(
      refused("not_a_member"),
    );
  });

  it("learns where its entries stand whose answer was lost", async () => {
    await dave.append(club, 1, ["mine"]);
    await alice.change(club, 2, { removes: [dave.userId] });
    expect(await dave.append(club, 1, ["mine"])).toMatchObject(placed(5));
    expect(await dave.append(club, 1, ["mine", "more"])).toMatchObject(refused("not_a_member"));
  });
});

it("an append that waited while its author was removed is refused", async () => {
  await make();
  // Nothing of this connection is under way any more, so the removal is the first to be queued.
  await alice.state(club);
  let release = (): void => {};
  world.kv.gate = new Promise((resolve) => {
    release = resolve;
  });
  const removal = alice.change(club, 1, { removes: [bob.userId] });
  const late = bob.append(club, 1, ["too late"]);
  const handedIn = carol.append(club, 1, ["too late"], {
    of: bob.key.deviceId,
    signatures: [bob.signatureOf(club, 1, "too late")],
  });
  release();
  expect(await removal).toMatchObject(placed(2));
  expect(await late).toMatchObject(refused("not_a_member"));
  expect(await handedIn).toMatchObject(refused("not_a_member"));
  expect((await alice.state(club)).head).toBe(2);
});

it("a group that everybody has left can be read by those who were in it", async () => {
  await alice.createGroup(club, []);
  await alice.append(club, 1, ["alone"]);
  await alice.change(club, 1, { removes: [alice.userId] });
  expect(await alice.page(club, 1)).toEqual({ head: 3, first: 1, seqs: [1, 2, 3] });
  expect(await alice.change(club, 2, { adds: [alice.userId] })).toMatchObject(
    refused("not_a_member"),
  );
});
