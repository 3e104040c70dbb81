/** Where a person is among their devices, as the relay passes it on. */
import { beforeEach, describe, expect, it } from "vitest";
import type { ConversationId } from "../../shared/ids.js";
import { deviceBytes } from "../../shared/protocol.js";
import { type Client, World } from "./world.js";

const conversationId = "cc".repeat(16) as ConversationId;

let world: World;
let alice: Client;
let bob: Client;

/** A second device of somebody, connected. */
async function second(first: Client): Promise<Client> {
  const other = world.connect();
  const { publicKey } = other.key;
  await world.store.directory.addDevice({
    deviceId: other.key.deviceId,
    userId: first.userId,
    name: "phone",
    publicKey,
    addedAt: world.clock.now(),
    removed: false,
    addedBy: {
      deviceId: first.key.deviceId,
      signature: first.sign(deviceBytes(first.userId, publicKey, "phone")),
    },
  });
  await other.authenticate();
  return other;
}

const last = (client: Client) => client.all("attention").at(-1)?.devices;
/** What came before on the connection has been handled. */
const handled = (client: Client) => client.ask({ type: "getDevices" });

beforeEach(async () => {
  world = await World.open();
  alice = await world.person("alice");
  bob = await world.person("bob");
});

describe("attention", () => {
  it("of a device alone is told to nobody", async () => {
    alice.tell({ type: "attention", conversationId, usedAgo: 0 });
    await handled(alice);
    expect(alice.all("attention")).toEqual([]);
  });

  it("is told to all devices of the user, and to nobody else", async () => {
    const first = world.clock.now();
    world.clock.advance(1_000);
    const phone = await second(alice);
    const fresh = { conversationId: null, usedAt: null };
    const both = [
      { deviceId: alice.key.deviceId, since: first, ...fresh },
      { deviceId: phone.key.deviceId, since: first + 1_000, ...fresh },
    ];
    expect(last(alice)).toEqual(both);
    expect(last(phone)).toEqual(both);

    alice.tell({ type: "attention", conversationId, usedAgo: 600 });
    await handled(alice);
    const told = [{ ...both[0], conversationId, usedAt: first + 400 }, both[1]];
    expect(last(alice)).toEqual(told);
    expect(last(phone)).toEqual(told);
    expect(bob.all("attention")).toEqual([]);
  });

  it("told by a device alone is known to one that comes later", async () => {
    alice.tell({ type: "attention", conversationId, usedAgo: 0 });
    await handled(alice);
    const phone = await second(alice);
    expect(last(phone)?.[0]).toMatchObject({ deviceId: alice.key.deviceId, conversationId });
  });

  it("ends with the connection, and who is left learns that it is alone", async () => {
    const phone = await second(alice);
    phone.tell({ type: "attention", conversationId, usedAgo: 0 });
    await handled(phone);
    phone.session.closed();
    expect(last(alice)?.map(({ deviceId }) => deviceId)).toEqual([alice.key.deviceId]);
    const again = world.connect(phone.key);
    await again.authenticate();
    expect(last(alice)?.[1]).toMatchObject({ conversationId: null, usedAt: null });
  });

  it("of a connection that was replaced is forgotten, and not that of the new one", async () => {
    const phone = await second(alice);
    const again = world.connect(phone.key);
    await again.authenticate();
    again.tell({ type: "attention", conversationId, usedAgo: 0 });
    await handled(again);
    phone.session.closed();
    expect(last(alice)).toHaveLength(2);
    expect(last(alice)?.[1]).toMatchObject({ conversationId });
  });

  it("from before time began counts from its beginning", async () => {
    const phone = await second(alice);
    phone.tell({ type: "attention", conversationId: null, usedAgo: Number.MAX_SAFE_INTEGER });
    await handled(phone);
    expect(last(alice)?.[1]?.usedAt).toBe(0);
  });
});
