import { describe, expect, it } from "vitest";
import { MAX_FRAME_BYTES } from "../../shared/limits.js";
import { authenticationBytes, CloseCode, clientFrames } from "../../shared/protocol.js";
import { World } from "./world.js";

describe("who connects proves a device key first", () => {
  it("registers, and later authenticates as the same user", async () => {
    const world = await World.open();
    const alice = await world.person("alice");
    const again = world.connect(alice.key);
    await again.authenticate();
    expect(again.userId).toBe(alice.userId);
    expect(again.all("welcome")[0]).toMatchObject({ handle: "alice", displayName: "ALICE" });
  });

  it("refuses a wrong version", async () => {
    const client = (await World.open()).connect();
    client.tell({ type: "hello", version: 99, client: "future" });
    expect(await client.closed()).toBe(CloseCode.refused);
    expect(client.all("error")[0]).toMatchObject({ requestId: null, code: "unsupported_version" });
  });

  it("refuses an authentication heard on another connection", async () => {
    const world = await World.open();
    const alice = await world.person("alice");
    const { deviceId } = alice.key;
    const { relay, nonce } = alice.all("challenge")[0] as never;
    const thief = world.connect();
    await thief.challenge();
    const signature = alice.sign(authenticationBytes(relay, nonce, deviceId));
    thief.tell({ type: "authenticate", deviceId, signature });
    expect(await thief.closed()).toBe(CloseCode.refused);
    expect(thief.all("error")[0]?.code).toBe("bad_signature");
  });

  it("refuses a signature that was made for another relay", async () => {
    const world = await World.open();
    const alice = await world.person("alice");
    const client = world.connect(alice.key);
    const { nonce } = await client.challenge();
    const { deviceId } = alice.key;
    const signature = client.sign(authenticationBytes("relay-other", nonce, deviceId));
    client.tell({ type: "authenticate", deviceId, signature });
    expect(await client.closed()).toBe(CloseCode.refused);
  });

  it("refuses a device that was never registered here", async () => {
    const client = (await World.open()).connect();
    const { relay, nonce } = await client.challenge();
    const { deviceId } = client.key;
    const signature = client.sign(authenticationBytes(relay, nonce, deviceId));
    client.tell({ type: "authenticate", deviceId, signature });
    await client.closed();
    expect(client.all("error")[0]?.code).toBe("unknown_device");
  });

  it("believes no request before welcome", async () => {
    const client = (await World.open()).connect();
    await client.challenge();
    client.tell({ type: "searchUsers", requestId: 1, prefix: "a", limit: 1 });
    expect(await client.closed()).toBe(CloseCode.protocol);
    expect(client.all("error")).toMatchObject([{ code: "not_authenticated" }]);
    expect(client.all("people")).toEqual([]);
  });

  it("gives a taken handle to nobody else, and lets them choose another", async () => {
    const world = await World.open();
    await world.person("alice");
    const late = world.connect();
    const challenge = await late.challenge();
    late.sendRegister(challenge, "alice");
    expect((await late.got("error")).code).toBe("handle_taken");
    late.sendRegister(challenge, "alice2");
    expect((await late.got("welcome")).handle).toBe("alice2");
  });

  it("welcomes a client again that was killed between registering and welcome", async () => {
    const world = await World.open();
    const alice = await world.person("alice");
    alice.session.closed();
    const again = world.connect(alice.key);
    await again.register("alice");
    expect(again.userId).toBe(alice.userId);
  });

  it("refuses a handle that is none", async () => {
    const client = (await World.open()).connect();
    client.sendRegister(await client.challenge(), "No/Body");
    expect((await client.got("error")).code).toBe("handle_invalid");
    expect(client.closedWith).toBeNull();
  });

  it("asks for an invite, and takes each as often as said", async () => {
    const world = await World.open({ invites: new Map([["once", 1]]) });
    const client = world.connect();
    const challenge = await client.challenge();
    client.sendRegister(challenge, "alice");
    expect((await client.got("error")).code).toBe("invite_required");
    client.sendRegister(challenge, "alice", "wrong");
    expect((await client.got("error", 2)).code).toBe("invite_invalid");
    client.sendRegister(challenge, "alice", "once");
    await client.got("welcome");
    const second = world.connect();
    second.sendRegister(await second.challenge(), "bob", "once");
    expect((await second.got("error")).code).toBe("invite_invalid");
  });

  it("drops who does not finish the handshake in time", async () => {
    const world = await World.open();
    const client = world.connect();
    await client.challenge();
    world.clock.advance(10_000);
    expect(client.closedWith).toBe(CloseCode.silent);
  });

  it("ends the older connection of a device that connects again", async () => {
    const world = await World.open();
    const alice = await world.person("alice");
    const again = world.connect(alice.key);
    await again.authenticate();
    expect(alice.closedWith).toBe(CloseCode.replaced);
    expect(again.closedWith).toBeNull();
  });
});

describe("a bad frame ends its connection and nothing else", () => {
  const attacks: [string, Uint8Array, string][] = [
    ["no bytes", new Uint8Array(0), "malformed_frame"],
    ["an unknown kind", Uint8Array.of(250), "malformed_frame"],
    ["a truncated one", Uint8Array.of(24, 1), "malformed_frame"],
    ["one too large", new Uint8Array(MAX_FRAME_BYTES + 1), "frame_too_large"],
    [
      "a second hello",
      clientFrames.encode({ type: "hello", version: 1, client: "x" }),
      "unexpected_frame",
    ],
  ];
  it.each(attacks)("%s", async (_what, bytes, code) => {
    const world = await World.open();
    const alice = await world.person("alice");
    const bob = await world.person("bob");
    alice.session.receive(bytes);
    expect(await alice.closed()).toBe(CloseCode.protocol);
    expect(alice.all("error")).toMatchObject([{ requestId: null, code }]);
    expect(await bob.ask({ type: "searchUsers", prefix: "al", limit: 5 })).toMatchObject({
      people: [{ handle: "alice" }],
    });
  });

  it("a text message", async () => {
    const alice = await (await World.open()).person("alice");
    alice.session.receiveForeign();
    expect(alice.closedWith).toBe(CloseCode.protocol);
  });
});

describe("heartbeats", () => {
  it("ping who is there, answer pings and drop who is silent", async () => {
    const world = await World.open();
    const alice = await world.person("alice");
    const bob = await world.person("bob");
    world.clock.advance(15_000);
    expect(alice.all("ping")).toHaveLength(1);
    alice.tell({ type: "ping", nonce: 7 });
    expect(alice.all("pong")).toEqual([{ type: "pong", nonce: 7 }]);
    world.clock.advance(15_000);
    expect(alice.closedWith).toBeNull();
    expect(bob.closedWith).toBe(CloseCode.silent);
  });

  it("ask nothing of who has just said something, and notice their silence all the same", async () => {
    const world = await World.open();
    const alice = await world.person("alice");
    for (let i = 0; i < 4; i++) {
      world.clock.advance(10_000);
      alice.tell({ type: "ping", nonce: i });
    }
    expect(alice.all("pong")).toHaveLength(4);
    expect(alice.all("ping")).toHaveLength(0);
    // Looked at after 45 s, 60 s and 75 s, and last heard after 40 s.
    world.clock.advance(20_000);
    expect(alice.all("ping")).toHaveLength(1);
    world.clock.advance(14_999);
    expect(alice.closedWith).toBeNull();
    world.clock.advance(1);
    expect(alice.closedWith).toBe(CloseCode.silent);
  });

  it("tell who stays anew which servers there are, before their credentials end", async () => {
    let given = 0;
    const world = await World.open({
      iceServers: () => [{ urls: ["turn:t"], username: `${++given}`, credential: "c" }],
      address: "wss://relay.example.org",
    });
    const alice = await world.person("alice");
    const HOUR = 3_600_000;
    for (let at = 0; at < 36 * HOUR; at += 15_000) {
      alice.tell({ type: "ping", nonce: 7 });
      world.clock.advance(15_000);
    }
    const told = alice.all("servers");
    expect(told.map(({ iceServers }) => iceServers[0]?.username)).toEqual(["2", "3", "4"]);
    expect(told[0]?.addresses).toEqual(["wss://relay.example.org"]);
  });
});
