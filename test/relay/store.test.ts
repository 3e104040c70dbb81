import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { KvRelayStore } from "../../relay/store/kv-relay-store.js";
import {
  bytes,
  deviceId,
  encode,
  type Field,
  list,
  oneOf,
  struct,
  text,
  uint,
  userId,
} from "../../shared/codec.js";
import type { ConversationId, DeviceId, UserId } from "../../shared/ids.js";
import { type KeyValue, sortable } from "../../shared/key-value.js";
import { openLevel } from "../../shared/node/level-key-value.js";
import { relayStoreContract } from "../contracts/relay-store.js";

const folders: string[] = [];
let kv: KeyValue;

async function openIn(folder: string): Promise<KvRelayStore> {
  kv = await openLevel(folder);
  return KvRelayStore.open(kv, "relay-test");
}

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "dovetail-store-"));
  folders.push(folder);
  return folder;
}

afterEach(async () => {
  await kv.close();
  await Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true })));
});

relayStoreContract("LevelDB", async () => {
  const folder = await newFolder();
  return {
    store: await openIn(folder),
    async reopen() {
      await kv.close();
      return openIn(folder);
    },
  };
});

it("keeps the relay's name from its first start", async () => {
  const folder = await newFolder();
  expect((await openIn(folder)).name).toBe("relay-test");
  await kv.close();
  kv = await openLevel(folder);
  expect((await KvRelayStore.open(kv, "another")).name).toBe("relay-test");
});

it("refuses data of a newer relay and leaves them as they are", async () => {
  kv = await openLevel(await newFolder());
  const newer = { type: "put", key: "meta/schema", value: Uint8Array.of(1, 9) } as const;
  await kv.batch([newer]);
  await expect(KvRelayStore.open(kv, "relay")).rejects.toMatchObject({ code: "profile_newer" });
  expect(await kv.range({ from: "", to: "~" })).toHaveLength(1);
});

it("says which row is damaged or newer instead of believing it", async () => {
  const store = await openIn(await newFolder());
  const user = "a".repeat(32);
  const stored = (value: Uint8Array) => kv.batch([{ type: "put", key: `user/${user}`, value }]);
  await stored(Uint8Array.of(1, 5));
  const read = () => store.directory.user(user as never);
  await expect(read()).rejects.toMatchObject({ code: "profile_corrupt" });
  await stored(Uint8Array.of(2, 5));
  await expect(read()).rejects.toMatchObject({ code: "profile_newer" });
});

it("says that another process has the data", async () => {
  const folder = await newFolder();
  kv = await openLevel(folder);
  await expect(openLevel(folder)).rejects.toMatchObject({ code: "profile_in_use" });
});

describe("data of a relay that knew no groups", () => {
  const alice = "a".repeat(32) as UserId;
  const bob = "b".repeat(32) as UserId;
  const phone = "d".repeat(32) as DeviceId;
  const talk = "1".repeat(32) as ConversationId;
  /** As its rows were: a version, then what this shape has. */
  const old = <T>(field: Field<T>, value: T): Uint8Array => {
    const versioned = struct({ version: uint(0x3f), value: field as Field<unknown> });
    return encode(versioned, { version: 1, value });
  };
  const kind = oneOf("direct", "group", "notes");
  const oldRows: [string, Uint8Array][] = [
    ["meta/schema", old(uint(), 1)],
    ["meta/name", old(text(256), "relay-old")],
    ["meta/stamp", old(uint(), 7)],
    [
      `conversation/${talk}`,
      old(struct({ kind, members: list(userId, 1_024) }), {
        kind: "direct",
        members: [alice, bob],
      }),
    ],
    [`head/${talk}`, old(uint(), 1)],
    [`last/${talk}/${phone}`, old(uint(), 1)],
    [
      `entry/${talk}/${sortable(1)}`,
      old(struct({ userId, deviceId, n: uint(), at: uint(), payload: bytes(65_536) }), {
        userId: alice,
        deviceId: phone,
        n: 1,
        at: 5,
        payload: Uint8Array.of(9),
      }),
    ],
    [`origin/${talk}/${phone}/${sortable(1)}`, old(uint(), 1)],
    [
      `cursor/${talk}/${bob}`,
      old(struct({ deliveredUpTo: uint(), readUpTo: uint() }), { deliveredUpTo: 1, readUpTo: 1 }),
    ],
  ];
  const entry = {
    seq: 1,
    userId: alice,
    deviceId: phone,
    n: 1,
    at: 5,
    ttl: 0,
    rights: "change" as const,
    membership: null,
    payload: Uint8Array.of(9),
  };

  it("is read as it was meant, and written to", async () => {
    kv = await openLevel(await newFolder());
    await kv.batch(oldRows.map(([key, value]) => ({ type: "put", key, value })));
    const { logs, name } = await KvRelayStore.open(kv, "another");
    expect(name).toBe("relay-old");
    expect(await logs.conversation(talk)).toEqual({
      kind: "direct",
      group: {
        epoch: 0,
        restricted: false,
        members: [
          { userId: alice, admin: false },
          { userId: bob, admin: false },
        ],
      },
      head: 1,
      first: 1,
      cursors: new Map([[bob, { deliveredUpTo: 1, readUpTo: 1, devices: new Map() }]]),
    });
    expect(await logs.entries(talk, 1, 10)).toEqual([entry]);
    expect(await logs.byOrigin(talk, phone, 1, 2)).toEqual([{ n: 1, seq: 1, at: 5, entry }]);
    const [outcome] = await logs.commit([
      {
        conversationId: talk,
        expectedHead: 1,
        opens: null,
        entries: [{ ...entry, seq: 2, n: 2 }],
        cursors: new Map(),
        group: null,
        spans: new Map(),
        invite: null,
        noted: [alice, bob],
        crowd: null,
        events: 1,
      },
    ]);
    expect(outcome).toEqual({ firstStamp: 8 });
    expect(await logs.entries(talk, 1, 10)).toHaveLength(2);
  });

  it("of which one conversation is damaged takes what is for the others", async () => {
    kv = await openLevel(await newFolder());
    await kv.batch(oldRows.map(([key, value]) => ({ type: "put", key, value })));
    await kv.batch([{ type: "put", key: `cursor/${talk}/${bob}`, value: Uint8Array.of(1) }]);
    const { logs } = await KvRelayStore.open(kv, "another");
    const group = { epoch: 0, restricted: false, members: [{ userId: alice, admin: false }] };
    const written = {
      ...{ noted: [alice], crowd: null, events: 1, invite: null, spans: new Map() },
    };
    const read = { deliveredUpTo: 1, readUpTo: 1, devices: new Map() };
    const outcomes = await logs.commit([
      {
        ...written,
        ...{ conversationId: talk, expectedHead: 1, opens: null, entries: [], group: null },
        cursors: new Map([[bob, read]]),
      },
      {
        ...written,
        ...{
          conversationId: "9".repeat(32) as ConversationId,
          expectedHead: 0,
          entries: [],
          group,
        },
        ...{ opens: { kind: "notes" }, cursors: new Map() },
      },
    ]);
    expect(outcomes).toMatchObject([{ failed: { code: "profile_corrupt" } }, { firstStamp: 8 }]);
  });

  it("is from then on too new for that relay", async () => {
    kv = await openLevel(await newFolder());
    await kv.batch(oldRows.map(([key, value]) => ({ type: "put", key, value })));
    await KvRelayStore.open(kv, "another");
    expect(await kv.get("meta/schema")).toEqual(old(uint(), 2));
  });
});
