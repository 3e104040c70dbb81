/** What people do with messages, as every device of everybody comes to show it. */
import { beforeEach, describe, expect, it } from "vitest";
import type { ConversationId } from "../../shared/ids.js";
import { Asking } from "./features.js";
import type { Device } from "./machine.js";
import { World } from "./world.js";

const DAY_MS = 86_400_000;

let world: World;
let on: Asking;
let alice: Device;
let bob: Device;
let laptop: Device;
let talk: ConversationId;

beforeEach(async () => {
  world = await World.open({ seed: 7, handles: ["alice", "bob"] });
  on = new Asking(world);
  [alice, bob] = world.devices as [Device, Device];
  await world.act([world.link(alice)]);
  laptop = world.devices.find(
    ({ handle, name }) => handle === "alice" && name !== alice.name,
  ) as Device;
  talk = world.between(alice, bob);
  await on.say(alice, talk, "hello");
  await on.say(bob, talk, "hello back");
});

const everywhere = () => [alice, laptop, bob];

describe("a message", () => {
  it("answers another", async () => {
    const { messageId } = await on.find(bob, talk, "hello");
    await on.say(bob, talk, "an answer", messageId);
    for (const device of everywhere()) {
      const { replyTo } = await on.find(device, talk, "an answer");
      expect(replyTo).toMatchObject({ messageId, from: "alice", excerpt: "hello" });
    }
  });

  it("is forwarded, with what became of its text", async () => {
    const { messageId } = await on.find(bob, talk, "hello back");
    await on.ask(bob, "messages.edit", { messageId, text: "hello again" });
    const notes = world.between(bob, bob);
    await on.ask(bob, "messages.forward", { messageId, to: [notes] });
    await world.run(5_000);
    expect(await on.find(bob, notes, "hello again")).toMatchObject({ forwarded: true });
  });

  it("is forwarded before what is sent after it", async () => {
    const { messageId } = await on.find(bob, talk, "hello back");
    const notes = world.between(bob, bob);
    const forwarding = bob.client?.call("messages.forward", { messageId, to: [notes] });
    const sending = bob.client?.call("messages.send", { conversationId: notes, text: "after it" });
    await world.act([forwarding, sending]);
    await world.run(5_000);
    const texts = (await on.list(bob, notes)).map(({ text }) => text);
    expect(texts).toEqual(["hello back", "after it"]);
  });

  it("is edited by its author alone", async () => {
    const { messageId } = await on.find(alice, talk, "hello");
    expect(await on.refusal(bob, "messages.edit", { messageId, text: "x" })).toBe("not_allowed");
    await on.ask(alice, "messages.edit", { messageId, text: "hello there" });
    await world.run(5_000);
    for (const device of everywhere()) {
      expect(await on.find(device, talk, "hello there")).toMatchObject({ messageId, edited: true });
    }
    expect((await on.about(bob, talk)).unread).toBe(1);
  });

  it("is edited on one device after another, whatever their clocks say", async () => {
    const { messageId } = await on.find(alice, talk, "hello");
    alice.clock.skewMs += 5 * 60_000;
    await on.ask(alice, "messages.edit", { messageId, text: "first" });
    await world.run(5_000);
    await on.ask(laptop, "messages.edit", { messageId, text: "second" });
    await world.run(5_000);
    for (const device of everywhere()) await on.find(device, talk, "second");
  });

  it("is deleted for everyone, and its text is on no disk any more", async () => {
    const { messageId } = await on.say(alice, talk, "a regretted sentence");
    expect(await on.refusal(bob, "messages.delete", { messageId, for: "everyone" })).toBe(
      "not_allowed",
    );
    await on.ask(alice, "messages.delete", { messageId, for: "everyone" });
    await world.run(10_000);
    for (const device of everywhere()) {
      const message = await on.ask(device, "messages.get", { messageId });
      expect(message).toMatchObject({ deleted: true, text: "", reactions: [] });
      const rows = device.disk.certain({ from: "", to: "\uffff" });
      const texts = rows.map(({ value }) => new TextDecoder().decode(value)).join();
      expect(texts).not.toContain("a regretted sentence");
    }
    expect(await on.refusal(alice, "messages.edit", { messageId, text: "x" })).toBe("not_found");
  });

  it("is deleted for oneself on all own devices", async () => {
    const { messageId } = await on.find(alice, talk, "hello back");
    await on.ask(alice, "messages.delete", { messageId, for: "me" });
    await world.run(5_000);
    for (const device of [alice, laptop]) {
      expect((await on.list(device, talk)).map(({ text }) => text)).toEqual(["hello"]);
      expect((await on.about(device, talk)).lastMessage?.text).toBe("hello");
    }
    await on.find(bob, talk, "hello back");
  });

  it("is reacted to: one emoji a person, the latest", async () => {
    const { messageId } = await on.find(bob, talk, "hello");
    await on.ask(bob, "messages.react", { messageId, emoji: "👍" });
    await on.ask(bob, "messages.react", { messageId, emoji: "🎉" });
    await on.ask(laptop, "messages.react", { messageId, emoji: "🎉" });
    await world.run(5_000);
    for (const device of everywhere()) {
      const { reactions } = await on.find(device, talk, "hello");
      expect(reactions).toMatchObject([{ emoji: "🎉", mine: true }]);
      expect(reactions[0]?.by.map(({ handle }) => handle)).toEqual(["bob", "alice"]);
    }
    await on.ask(bob, "messages.react", { messageId, emoji: "" });
    await world.run(5_000);
    for (const device of everywhere()) {
      expect((await on.find(device, talk, "hello")).reactions[0]?.by).toHaveLength(1);
    }
    expect(await on.refusal(bob, "messages.react", { messageId, emoji: "no" })).toBe(
      "invalid_params",
    );
  });

  it("is starred for oneself and pinned for all", async () => {
    const { messageId } = await on.find(alice, talk, "hello back");
    await on.ask(alice, "messages.star", { messageId, starred: true });
    await on.ask(alice, "messages.pin", { messageId, pinned: true });
    await world.run(5_000);
    expect(await on.find(laptop, talk, "hello back")).toMatchObject({
      starred: true,
      pinned: true,
    });
    expect(await on.find(bob, talk, "hello back")).toMatchObject({ starred: false, pinned: true });
    expect(await on.ask(laptop, "messages.starred", {})).toMatchObject([{ messageId }]);
    expect(await on.ask(bob, "messages.pinned", { conversationId: talk })).toMatchObject([
      { messageId },
    ]);
    await on.ask(bob, "messages.pin", { messageId, pinned: false });
    await world.run(5_000);
    expect(await on.ask(laptop, "messages.pinned", { conversationId: talk })).toEqual([]);
  });

  it("is changed before it has its place in the log", async () => {
    world.killRelay();
    world.send(alice, talk, "while the relay is away");
    await world.run(3_000);
    const { messageId, seq } = await on.find(bob, talk, "while the relay is away");
    expect(seq).toBeNull();
    await on.ask(bob, "messages.react", { messageId, emoji: "👀" });
    await world.run(3_000);
    expect((await on.find(alice, talk, "while the relay is away")).reactions).toHaveLength(1);
    world.startRelay();
    await world.run(60_000);
    for (const device of everywhere()) {
      const message = await on.find(device, talk, "while the relay is away");
      expect(message.seq).not.toBeNull();
      expect(message.reactions).toMatchObject([{ emoji: "👀" }]);
    }
  });
});

describe("finding", () => {
  beforeEach(async () => {
    for (let i = 0; i < 30; i++) world.send(alice, talk, `line ${i} of a long talk`);
    await world.run(20_000);
  });

  it("searches, jumps to a message and to a date, and goes on in both directions", async () => {
    const found = await on.ask(bob, "messages.search", {
      conversationId: talk,
      query: "LINE talk 7",
    });
    expect(found.map(({ text }) => text)).toEqual(
      [27, 17, 7].map((i) => `line ${i} of a long talk`),
    );
    const target = found[1] as (typeof found)[number];
    const around = await on.ask(bob, "messages.list", {
      conversationId: talk,
      around: target.messageId,
      limit: 5,
    });
    expect(around.map(({ text }) => text)).toEqual(
      [15, 16, 17, 18, 19].map((i) => `line ${i} of a long talk`),
    );
    const { messageId } = await on.ask(bob, "messages.at", { conversationId: talk, time: 0 });
    expect(messageId).toBe((await on.find(bob, talk, "hello")).messageId);
    const future = { conversationId: talk, time: 8.64e15 };
    expect(await on.ask(bob, "messages.at", future)).toEqual({ messageId: null });
  });
});

describe("disappearing messages", () => {
  it("go everywhere at their time, also where the clock is wrong and at the relay", async () => {
    await on.ask(alice, "conversations.setTimer", { conversationId: talk, seconds: 86_400 });
    await world.run(5_000);
    expect((await on.about(bob, talk)).timer).toBe(86_400);
    bob.clock.skewMs += -7 * 60_000;
    await on.say(alice, talk, "gone tomorrow");
    await world.run(DAY_MS - 60_000);
    await on.find(bob, talk, "gone tomorrow");
    await world.run(180_000);
    for (const device of everywhere()) {
      const texts = (await on.list(device, talk)).map(({ text }) => text);
      expect(texts).not.toContain("gone tomorrow");
      expect(texts).toContain("hello");
      const rows = device.disk.certain({ from: "", to: "\uffff" });
      const written = rows.map(({ value }) => new TextDecoder().decode(value)).join();
      expect(written).not.toContain("gone tomorrow");
    }
  });
});

describe("what is one's own", () => {
  it("follows to all own devices: drafts, pins, mutes and archiving", async () => {
    await on.ask(alice, "conversations.setDraft", { conversationId: talk, text: "half a sen" });
    await on.ask(alice, "conversations.pin", { conversationId: talk, pinned: true });
    await on.ask(alice, "conversations.archive", { conversationId: talk, archived: true });
    await on.ask(alice, "conversations.mute", { conversationId: talk, until: 8.64e15 });
    await world.run(10_000);
    const expected = { draft: "half a sen", pinned: true, archived: true, mutedUntil: 8.64e15 };
    expect(await on.about(laptop, talk)).toMatchObject(expected);
    expect(await on.about(bob, talk)).toMatchObject({ draft: "", pinned: false, mutedUntil: null });
    await world.act([world.link(alice)]);
    await world.run(10_000);
    const third = world.devices.filter(({ handle }) => handle === "alice")[2] as Device;
    expect(await on.about(third, talk)).toMatchObject(expected);
  });

  it("what another device said of a draft is not said again over what is typed there", async () => {
    const type = (device: Device, text: string) =>
      on.ask(device, "conversations.setDraft", { conversationId: talk, text });
    await type(alice, "first");
    await world.run(200);
    await type(laptop, "second, and heard of the first before it was told");
    await world.run(1_800);
    // The laptop has the first one, and its turn to tell comes.
    await type(alice, "third");
    await world.run(10_000);
    for (const device of [alice, laptop]) {
      expect(await on.about(device, talk)).toMatchObject({ draft: "third" });
    }
  });

  it("a stranger's message is a request until it is answered or accepted", async () => {
    expect(await on.about(bob, talk)).toMatchObject({ request: false });
    const fresh = await World.open({ seed: 8, handles: ["carol", "dave"], acquainted: false });
    const they = new Asking(fresh);
    const [carol, dave] = fresh.devices as [Device, Device];
    const between = fresh.between(carol, dave);
    await fresh.act([fresh.openConversation(carol, dave)]);
    await they.say(carol, between, "do you know me?");
    expect(await they.about(dave, between)).toMatchObject({ request: true, unread: 1 });
    await they.ask(dave, "conversations.accept", { conversationId: between });
    await fresh.run(3_000);
    expect(await they.about(dave, between)).toMatchObject({ request: false });
  });

  it("a blocked person is not heard of, on any own device", async () => {
    await on.ask(alice, "people.block", { handle: "bob", blocked: true });
    await world.run(5_000);
    await on.say(bob, talk, "can you hear me?");
    for (const device of [alice, laptop]) {
      expect((await on.list(device, talk)).map(({ text }) => text)).not.toContain(
        "can you hear me?",
      );
      expect(await on.about(device, talk)).toMatchObject({ blocked: true });
    }
    expect(await on.refusal(laptop, "messages.send", { conversationId: talk, text: "x" })).toBe(
      "blocked",
    );
    expect(await on.ask(laptop, "people.blocked", {})).toMatchObject([{ handle: "bob" }]);
    await on.ask(laptop, "people.block", { handle: "bob", blocked: false });
    await world.run(5_000);
    await on.say(bob, talk, "and now?");
    await on.find(alice, talk, "and now?");
  });
});
