/** Groups, as every device of every member comes to show them. */
import { beforeEach, describe, expect, it } from "vitest";
import type { ConversationId } from "../../shared/ids.js";
import { Asking } from "./features.js";
import type { Device } from "./machine.js";
import { readLog } from "./relay-log.js";
import { World } from "./world.js";

let world: World;
let on: Asking;
let alice: Device;
let bob: Device;
let carol: Device;
let dave: Device;
let laptop: Device;
let group: ConversationId;

beforeEach(async () => {
  world = await World.open({ seed: 11, handles: ["alice", "bob", "carol", "dave"] });
  on = new Asking(world);
  [alice, bob, carol, dave] = world.devices as [Device, Device, Device, Device];
  await world.act([world.link(alice)]);
  laptop = world.devices.at(-1) as Device;
  const made = await on.ask(alice, "groups.create", {
    name: "Climbing",
    handles: ["bob", "carol"],
  });
  group = made.conversationId;
  await world.run(5_000);
});

const texts = async (device: Device) =>
  (await on.list(device, group)).filter(({ notice }) => !notice).map(({ text }) => text);
const notices = async (device: Device) =>
  (await on.list(device, group)).flatMap(({ notice }) => (notice ? [notice.type] : []));
const handles = async (device: Device) =>
  (await on.ask(device, "groups.members", { conversationId: group })).map(({ handle }) => handle);

/** A channel may have to be opened first. */
async function heardBy(devices: readonly Device[], text: string): Promise<void> {
  for (let seconds = 0; seconds < 120; seconds++) {
    let heard = 0;
    for (const device of devices) heard += Number((await texts(device)).includes(text));
    if (heard === devices.length) return;
    await world.run(1_000);
  }
  throw new Error(`not everybody heard "${text}"`);
}

describe("a group", () => {
  it("is the same for all, with its name and whoever made it as its admin", async () => {
    await on.say(bob, group, "hi all");
    await on.say(laptop, group, "hi bob");
    for (const device of [alice, laptop, bob, carol]) {
      expect(await texts(device)).toEqual(["hi all", "hi bob"]);
      expect(await notices(device)).toEqual(["created"]);
      const role = device.handle === "alice" ? "admin" : "member";
      const about = { kind: "group", title: "Climbing", memberCount: 3, role };
      expect(await on.about(device, group)).toMatchObject(about);
      expect(await handles(device)).toEqual(["alice", "bob", "carol"]);
    }
    expect(await on.refusal(dave, "conversations.get", { conversationId: group })).toBe(
      "not_found",
    );
  });

  it("has a change also where the disk refused it at first", async () => {
    const removal = on.refusal(alice, "groups.remove", { conversationId: group, handle: "carol" });
    // The answer is under way.
    await world.run(30);
    alice.disk.unsure = true;
    await removal;
    alice.disk.unsure = false;
    await world.run(60_000);
    for (const device of [alice, laptop, bob]) {
      expect(await handles(device)).toEqual(["alice", "bob"]);
      expect(await notices(device)).toEqual(["created", "removed"]);
    }
  });

  it("gives who joins later what is written from then on, and what it is called", async () => {
    await on.say(bob, group, "before dave");
    await on.ask(alice, "conversations.setTimer", { conversationId: group, seconds: 604_800 });
    await on.ask(alice, "groups.update", { conversationId: group, description: "On Sundays" });
    await world.run(3_000);
    await on.ask(bob, "groups.add", { conversationId: group, handles: ["dave"] });
    await world.run(3_000);
    await on.say(carol, group, "welcome");
    expect(await texts(dave)).toEqual(["welcome"]);
    expect(await notices(dave)).toEqual(["added"]);
    const about = { title: "Climbing", description: "On Sundays", memberCount: 4, timer: 604_800 };
    expect(await on.about(dave, group)).toMatchObject(about);
    await on.say(dave, group, "thank you");
    for (const device of [alice, laptop, bob, carol]) {
      expect(await texts(device)).toEqual(["before dave", "welcome", "thank you"]);
      expect(await on.about(device, group)).toMatchObject(about);
    }
  });

  it("gives who joins nothing that stood in the log before, by whatever path", async () => {
    await on.say(alice, group, "hi");
    // They have a channel already.
    await on.say(alice, world.between(alice, dave), "hi dave");
    for (const other of [bob, carol, laptop]) {
      world.network.setDirectPath(alice.name, other.name, "cut");
    }
    const before = readLog(world.relay.disk, group).length;
    world.send(alice, group, "before dave");
    while (readLog(world.relay.disk, group).length === before) await world.run(1);
    // The relay has it, and alice's device does not hear of that.
    world.network.setRelayPath(alice.name, "silent");
    await on.ask(laptop, "groups.add", { conversationId: group, handles: ["dave"] });
    world.heal();
    await heardBy([alice, laptop, bob, carol], "before dave");
    await on.say(alice, group, "hi dave");
    await heardBy([dave], "hi dave");
    await world.run(30_000);
    expect(await texts(dave)).toEqual(["hi dave"]);
  });

  it("takes back no receipt when somebody joins who never had the message", async () => {
    const { messageId } = await on.say(alice, group, "before dave");
    for (const device of [bob, carol]) {
      await on.ask(device, "conversations.markRead", { conversationId: group, messageId });
    }
    await world.run(3_000);
    world.kill(dave);
    await on.ask(bob, "groups.add", { conversationId: group, handles: ["dave"] });
    await world.run(3_000);
    await world.act([world.link(alice)]);
    await world.run(5_000);
    for (const device of [alice, laptop, world.devices.at(-1) as Device]) {
      expect((await on.find(device, group, "before dave")).state).toBe("read");
    }
  });

  it("gives who was removed nothing more, and takes nothing from them", async () => {
    await on.say(carol, group, "while I was here");
    await on.ask(laptop, "groups.remove", { conversationId: group, handle: "carol" });
    await world.run(3_000);
    await on.say(bob, group, "without carol");
    await world.run(3_000);
    expect(await texts(carol)).toEqual(["while I was here"]);
    expect(await notices(carol)).toEqual(["created", "removed"]);
    expect(await on.about(carol, group)).toMatchObject({ role: "none" });
    const params = { conversationId: group, text: "let me in" };
    expect(await on.refusal(carol, "messages.send", params)).toBe("not_a_member");
    await on.ask(alice, "groups.add", { conversationId: group, handles: ["carol"] });
    await world.run(3_000);
    await on.say(bob, group, "carol again");
    expect(await texts(carol)).toEqual(["while I was here", "carol again"]);
    expect(await texts(bob)).toEqual(["while I was here", "without carol", "carol again"]);
  });

  it("goes on when its admin leaves: whoever is there for longest leads it", async () => {
    await on.ask(alice, "groups.leave", { conversationId: group });
    await world.run(3_000);
    expect(await on.about(bob, group)).toMatchObject({ role: "admin", memberCount: 2 });
    expect(await on.about(carol, group)).toMatchObject({ role: "member" });
    expect(await on.about(laptop, group)).toMatchObject({ role: "none" });
    expect(await notices(carol)).toEqual(["created", "left"]);
  });

  it("lets admins do what members may not", async () => {
    const id = { conversationId: group };
    const outcomes = [
      await on.refusal(bob, "groups.remove", { ...id, handle: "carol" }),
      await on.refusal(bob, "groups.setAdmin", { ...id, handle: "bob", admin: true }),
      await on.refusal(bob, "groups.restrict", { ...id, restricted: true }),
    ];
    expect(outcomes).toEqual(["not_allowed", "not_allowed", "not_allowed"]);
    await on.ask(alice, "groups.restrict", { ...id, restricted: true });
    await world.run(3_000);
    expect(await on.refusal(bob, "groups.add", { ...id, handles: ["dave"] })).toBe("not_allowed");
    expect(await on.refusal(bob, "groups.update", { ...id, name: "X" })).toBe("not_allowed");
    await on.ask(alice, "groups.setAdmin", { ...id, handle: "bob", admin: true });
    await world.run(3_000);
    await on.ask(bob, "groups.add", { ...id, handles: ["dave"] });
    await world.run(3_000);
    const { messageId } = await on.say(carol, group, "off topic");
    await on.ask(bob, "messages.delete", { messageId, for: "everyone" });
    await world.run(3_000);
    for (const device of [alice, laptop, bob, carol, dave]) {
      expect(await on.ask(device, "messages.get", { messageId })).toMatchObject({ deleted: true });
    }
  });

  it("accepts one change an epoch: who is too late builds on the other's", async () => {
    const id = { conversationId: group };
    await world.act([
      alice.client?.call("groups.add", { ...id, handles: ["dave"] }),
      // He may be gone before it is his turn.
      laptop.client
        ?.call("groups.setAdmin", { ...id, handle: "bob", admin: true })
        .catch(() => undefined),
      bob.client?.call("groups.leave", id).catch(() => undefined),
      carol.client?.call("groups.leave", id),
    ]);
    await world.run(10_000);
    const all = [alice, laptop, dave];
    const lists = await Promise.all([handles(alice)]);
    for (const device of all) expect(await handles(device)).toEqual(lists[0]);
    expect(lists[0]).toContain("dave");
    expect(lists[0]).not.toContain("carol");
  });

  it("marks who is named, and says who has read what", async () => {
    const { messageId } = await on.say(alice, group, "what do you say, @carol?");
    const { mentions } = await on.ask(bob, "messages.get", { messageId });
    expect(mentions.map(({ handle }) => handle)).toEqual(["carol"]);
    expect(await on.about(carol, group)).toMatchObject({ mentioned: true, unread: 1 });
    expect(await on.about(bob, group)).toMatchObject({ mentioned: false, unread: 1 });
    await on.ask(carol, "conversations.markRead", { conversationId: group, messageId });
    await world.run(3_000);
    expect(await on.about(carol, group)).toMatchObject({ mentioned: false, unread: 0 });
    const receipts = await on.ask(alice, "messages.receipts", { messageId });
    expect(receipts.map(({ handle, state }) => [handle, state])).toEqual([
      ["bob", "delivered"],
      ["carol", "read"],
    ]);
  });

  it("talks on directly while the relay is away", async () => {
    await on.say(alice, group, "are you there?");
    // Whoever has something to say opens the channels.
    await on.say(bob, group, "yes");
    world.killRelay();
    world.send(alice, group, "without the relay");
    await heardBy([bob], "without the relay");
    world.send(bob, group, "it works");
    await heardBy([alice, laptop, bob, carol], "it works");
    world.startRelay();
    await world.run(60_000);
    for (const device of [alice, laptop, bob, carol]) {
      const list = await on.list(device, group);
      expect(list.map(({ seq }) => seq)).not.toContain(null);
      expect(await texts(device)).toEqual([
        "are you there?",
        "yes",
        "without the relay",
        "it works",
      ]);
    }
  });
});

describe("who is added while something is set", () => {
  /** Bob sets the timer, and `later` ms after that alice adds dave, with a device that ends then. */
  async function add(later: number): Promise<void> {
    world = await World.open({ seed: 13, handles: ["alice", "bob", "dave"] });
    on = new Asking(world);
    [alice, bob, dave] = world.devices as [Device, Device, Device];
    group = (await on.ask(alice, "groups.create", { name: "Run", handles: ["bob"] }))
      .conversationId;
    await world.run(5_000);
    const id = { conversationId: group };
    const { length } = readLog(world.relay.disk, group);
    bob.client?.call("conversations.setTimer", { ...id, seconds: 604_800 });
    await world.run(later);
    alice.client?.call("groups.add", { ...id, handles: ["dave"] }).catch(() => undefined);
    while (readLog(world.relay.disk, group).length < length + 2) await world.run(1);
    // Both are in the log; her device has not heard of all of it.
    world.kill(alice);
    await world.run(3_000);
    world.start(alice);
    await world.run(10_000);
  }

  it("comes to know it, also when whoever adds them ends at that moment", async () => {
    let told = 0;
    // What is said directly goes to the relay two seconds later.
    for (let later = 1_950; later <= 2_050; later += 10) {
      await add(later);
      for (const device of [alice, bob, dave]) {
        expect(await on.about(device, group)).toMatchObject({ timer: 604_800, memberCount: 3 });
      }
      const list = await notices(alice);
      told += list.filter((type) => type === "timer").length - 1;
    }
    // At some of the moments he was told again: the timer came between what he was told and its place.
    expect(told).toBeGreaterThan(0);
  });
});

describe("an invite link", () => {
  it("lets people in as often as it says, and shows what it leads to", async () => {
    const invite = await on.ask(alice, "groups.createInvite", {
      conversationId: group,
      maxUses: 1,
    });
    expect(invite).toMatchObject({ uses: 0, maxUses: 1, createdBy: { handle: "alice" } });
    const { code } = invite;
    const invitation = await on.ask(dave, "groups.invitation", { code });
    expect(invitation).toMatchObject({ name: "Climbing", memberCount: 3, joined: false });
    await on.ask(dave, "groups.join", { code });
    await world.run(3_000);
    expect(await notices(dave)).toEqual(["joined"]);
    expect(await on.about(dave, group)).toMatchObject({ title: "Climbing", role: "member" });
    expect(await handles(bob)).toEqual(["alice", "bob", "carol", "dave"]);
    await on.ask(dave, "groups.leave", { conversationId: group });
    await world.run(3_000);
    expect(await on.refusal(dave, "groups.join", { code })).toBe("link_invalid");
  });

  it("lets nobody in who does not learn what was changed since it was made", async () => {
    const id = { conversationId: group };
    const { code } = await on.ask(bob, "groups.createInvite", id);
    await on.ask(bob, "groups.update", { ...id, name: "Sailing" });
    await on.ask(bob, "conversations.setTimer", { ...id, seconds: 604_800 });
    await world.run(3_000);
    world.kill(bob);
    await on.ask(dave, "groups.join", { code });
    await world.run(10_000);
    const about = { title: "Sailing", timer: 604_800, memberCount: 4 };
    for (const device of [alice, laptop, carol, dave]) {
      expect(await on.about(device, group)).toMatchObject(about);
    }
    // By one device, of whoever has been there for longest.
    expect(await notices(dave)).toEqual(["joined", "renamed", "timer"]);
    expect((await on.list(dave, group)).map(({ from }) => from)).toEqual([
      "dave",
      "alice",
      "alice",
    ]);
  });

  it("is worthless once it is revoked or has expired", async () => {
    const id = { conversationId: group };
    const first = await on.ask(alice, "groups.createInvite", { ...id, expiresIn: 3_600 });
    const second = await on.ask(alice, "groups.createInvite", { ...id, expiresIn: null });
    expect(await on.ask(alice, "groups.invites", id)).toHaveLength(2);
    await world.run(3_700_000);
    expect(await on.refusal(dave, "groups.join", { code: first.code })).toBe("link_invalid");
    await on.ask(alice, "groups.revokeInvite", { ...id, code: second.code });
    expect(await on.refusal(dave, "groups.invitation", { code: second.code })).toBe("link_invalid");
    expect(await on.ask(alice, "groups.invites", id)).toEqual([]);
  });
});

describe("a group of people who never wrote to each other", () => {
  beforeEach(async () => {
    world = await World.begin({ seed: 12, handles: ["alice", "bob", "carol"] });
    on = new Asking(world);
    [alice, bob, carol] = world.devices as [Device, Device, Device];
    await world.act(world.devices.map((device) => world.register(device)));
    const made = await on.ask(alice, "groups.create", { name: "Climbing", handles: ["bob"] });
    group = made.conversationId;
    await world.run(3_000);
  });

  it("names who joins where it tells of it", async () => {
    const told: string[] = [];
    bob.client?.subscribe(({ event, data }) => {
      if (event === "message.added") told.push(`${data.fromName} ${data.notice?.type}`);
    });
    const { code } = await on.ask(alice, "groups.createInvite", { conversationId: group });
    await on.ask(carol, "groups.join", { code });
    await world.run(3_000);
    expect(told).toEqual(["carol joined"]);
  });

  it("names who came and went while one was away", async () => {
    world.kill(bob);
    await on.ask(alice, "groups.add", { conversationId: group, handles: ["carol"] });
    await world.run(3_000);
    await on.say(carol, group, "hi and bye");
    await on.ask(carol, "groups.leave", { conversationId: group });
    await world.run(3_000);
    world.start(bob);
    await world.run(3_000);
    expect(await on.find(bob, group, "hi and bye")).toMatchObject({
      from: "carol",
      fromName: "carol",
    });
  });
});
