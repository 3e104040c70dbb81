/** Which of a person's devices alerts to what: one of them, or none. */
import { beforeEach, describe, expect, it } from "vitest";
import type { Alert, Params } from "../../shared/client-api.js";
import type { ConversationId } from "../../shared/ids.js";
import { Asking } from "./features.js";
import type { Device } from "./machine.js";
import { World } from "./world.js";

let world: World;
let on: Asking;
let alice: Device;
let bob: Device;
let laptop: Device;
let phone: Device;
let talk: ConversationId;
let alerts: { readonly device: Device; readonly alert: Alert }[];

const alerted = () => alerts.map(({ device, alert }) => `${device.name}: ${alert.body}`);

async function use(device: Device, use: Partial<Params<"attention.set">> = {}): Promise<void> {
  await on.ask(device, "attention.set", { conversationId: null, active: true, ...use });
  await world.run(1_000);
}

/** Bob has three devices and was at each, at the phone last; nothing is in front on any. */
beforeEach(async () => {
  world = await World.open({ seed: 21, handles: ["alice", "bob"] });
  on = new Asking(world);
  [alice, bob] = world.devices as [Device, Device];
  await world.act([world.link(bob)]);
  await world.act([world.link(bob)]);
  [laptop, phone] = world.devices.slice(2) as [Device, Device];
  talk = world.between(alice, bob);
  await on.say(alice, talk, "hello");
  // An answer: else it were a stranger's request.
  await on.say(bob, talk, "hello back");
  for (const device of [bob, laptop, phone]) {
    await use(device);
    await use(device, { active: false });
  }
  alerts = [];
  world.watch((device, { event, data }) => {
    if (event === "alert" && device.handle === "bob") alerts.push({ device, alert: data });
  });
});

const everywhere = () => [bob, laptop, phone];

describe("of three devices", () => {
  it("the one that was used last alerts, and no other", async () => {
    const { messageId } = await on.say(alice, talk, "one");
    expect(alerted()).toEqual([`${phone.name}: one`]);
    expect(alerts[0]?.alert).toMatchObject({ conversationId: talk, messageId });
    await use(laptop);
    await use(laptop, { active: false });
    await on.say(alice, talk, "two");
    expect(alerted().slice(1)).toEqual([`${laptop.name}: two`]);
  });

  it("none alerts to what is in front on one of them", async () => {
    await use(bob, { conversationId: talk });
    await on.say(alice, talk, "seen at once");
    expect(alerted()).toEqual([]);
    await use(bob, { conversationId: talk, active: false });
    await on.say(alice, talk, "not seen");
    expect(alerted()).toEqual([`${bob.name}: not seen`]);
  });

  it("another conversation in front keeps nothing quiet", async () => {
    await use(bob, { conversationId: world.between(bob, bob) });
    await on.say(alice, talk, "elsewhere");
    expect(alerted()).toEqual([`${bob.name}: elsewhere`]);
  });

  it("one that is used on and on is the one that was used last", async () => {
    await use(laptop);
    await use(phone);
    await world.run(60_000);
    await use(laptop);
    await on.say(alice, talk, "one");
    expect(alerted()).toEqual([`${laptop.name}: one`]);
  });

  it("one that cannot show alerts, or shall not, leaves them to the others", async () => {
    await use(phone, { active: false, alerts: false });
    await on.say(alice, talk, "one");
    expect(alerted()).toEqual([`${laptop.name}: one`]);
    await on.ask(laptop, "settings.set", { notifications: false });
    await world.run(1_000);
    await on.say(alice, talk, "two");
    expect(alerted().slice(1)).toEqual([`${bob.name}: two`]);
  });

  it("the next one takes over when the one that was used last is gone", async () => {
    await world.act([world.stop(phone)]);
    await world.run(5_000);
    await on.say(alice, talk, "one");
    expect(alerted()).toEqual([`${laptop.name}: one`]);
  });

  it.each<[string, (device: Device) => Promise<void>]>([
    ["was used last", (device) => use(device, { active: false })],
    ["has it in front", (device) => use(device, { conversationId: talk })],
  ])("another one takes over when the one that %s turns out to be asleep", async (_what, using) => {
    await using(phone);
    world.network.setRelayPath(phone.name, "silent");
    for (const device of [alice, bob, laptop]) {
      world.network.setDirectPath(phone.name, device.name, "silent");
    }
    await on.say(alice, talk, "one");
    expect(alerted()).toEqual([]);
    await world.run(60_000);
    expect(alerted()).toEqual([`${laptop.name}: one`]);
    world.heal();
    await world.run(60_000);
    expect(alerted()).toHaveLength(1);
    expect((await on.about(phone, talk)).unread).toBeGreaterThan(0);
  });

  it("what was alerted to long ago is not again when a device goes", async () => {
    await on.say(alice, talk, "one");
    await world.run(120_000);
    await world.act([world.stop(phone)]);
    await world.run(60_000);
    expect(alerted()).toEqual([`${phone.name}: one`]);
  });

  it("one that was away is quiet about what the others alerted to", async () => {
    await world.act([world.stop(phone)]);
    await world.run(5_000);
    await on.say(alice, talk, "one");
    world.start(phone);
    await world.run(10_000);
    await use(phone);
    expect(alerted()).toEqual([`${laptop.name}: one`]);
    expect((await on.about(phone, talk)).unread).toBeGreaterThan(0);
    await on.say(alice, talk, "two");
    expect(alerted().slice(1)).toEqual([`${phone.name}: two`]);
  });

  it("one without the relay decides alone", async () => {
    world.network.setRelayPath(phone.name, "cut");
    await world.run(60_000);
    await on.say(alice, talk, "one");
    expect(alerted().sort()).toEqual([`${laptop.name}: one`, `${phone.name}: one`].sort());
  });
});

describe("all that was missed", () => {
  it("is one alert a conversation, on one device", async () => {
    for (const device of everywhere()) await world.act([world.stop(device)]);
    await world.run(5_000);
    for (let i = 1; i <= 30; i++) await on.say(alice, talk, `message ${i}`);
    for (const device of everywhere()) world.start(device);
    await world.run(20_000);
    expect(alerted()).toHaveLength(1);
    expect(alerts[0]?.alert).toMatchObject({ body: "message 30" });
    expect(alerts[0]?.alert.title).toMatch(/^alice \(\d+\)$/);
  });

  it("is nothing to a new device, which gets it from one that alerted", async () => {
    await on.say(alice, talk, "before");
    alerts = [];
    await world.act([world.link(bob)]);
    await world.run(20_000);
    const fourth = world.devices.at(-1) as Device;
    expect((await on.about(fourth, talk)).unread).toBeGreaterThan(0);
    expect(alerted()).toEqual([]);
  });
});

describe("no device alerts", () => {
  it.each<[string, () => Promise<unknown>]>([
    [
      "in a muted conversation, not even to one's name",
      () => on.ask(bob, "conversations.mute", { conversationId: talk, until: 8.64e15 }),
    ],
    [
      "in an archived conversation",
      () => on.ask(bob, "conversations.archive", { conversationId: talk, archived: true }),
    ],
    ["to somebody blocked", () => on.ask(bob, "people.block", { handle: "alice", blocked: true })],
  ])("%s", async (_what, quiet) => {
    await quiet();
    await world.run(5_000);
    world.send(alice, talk, "@bob, psst");
    await world.run(10_000);
    expect(alerted()).toEqual([]);
  });

  it("to own messages, reactions, edits, and what happens in a conversation", async () => {
    const { messageId } = await on.find(alice, talk, "hello");
    await on.ask(alice, "messages.react", { messageId, emoji: "👍" });
    await on.ask(alice, "messages.edit", { messageId, text: "hello there" });
    await on.ask(alice, "conversations.setTimer", { conversationId: talk, seconds: 86_400 });
    await on.say(laptop, talk, "from myself");
    expect(alerted()).toEqual([]);
  });

  it("to what was deleted before it could", async () => {
    world.network.setRelayPath(alice.name, "cut");
    for (const device of everywhere()) world.network.setDirectPath(alice.name, device.name, "cut");
    await world.run(30_000);
    const { messageId } = await on.ask(alice, "messages.send", {
      conversationId: talk,
      text: "a slip",
    });
    await on.ask(alice, "messages.delete", { messageId, for: "everyone" });
    world.network.setRelayPath(alice.name, "up");
    await world.run(60_000);
    expect(alerted()).toEqual([]);
  });
});

describe("a group", () => {
  it("is told of to whoever is added, and then by whom something is", async () => {
    const { conversationId } = await on.ask(alice, "groups.create", {
      name: "Hikers",
      handles: ["bob"],
    });
    await world.run(5_000);
    expect(alerted()).toEqual([`${phone.name}: alice added you`]);
    await on.say(alice, conversationId, "welcome");
    expect(alerted().slice(1)).toEqual([`${phone.name}: alice: welcome`]);
    expect(alerts[1]?.alert.title).toBe("Hikers");
    await on.ask(alice, "groups.update", { conversationId, name: "Walkers" });
    await world.run(5_000);
    expect(alerted()).toHaveLength(2);
  });
});

describe("a stranger's request", () => {
  it("is quiet until it is accepted", async () => {
    const other = await World.open({ seed: 22, handles: ["alice", "bob"] });
    const asking = new Asking(other);
    const [a, b] = other.devices as [Device, Device];
    const first = other.between(a, b);
    const bodies: string[] = [];
    other.watch((_, { event, data }) => {
      if (event === "alert") bodies.push(data.body);
    });
    await asking.say(a, first, "hello, stranger");
    expect(bodies).toEqual([]);
    await asking.ask(b, "conversations.accept", { conversationId: first });
    await asking.say(a, first, "thank you");
    expect(bodies).toEqual(["thank you"]);
  });
});
