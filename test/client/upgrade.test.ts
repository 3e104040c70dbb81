/** A profile that the first Dovetail wrote opens with everything that was in it. */
import { beforeEach, expect, test } from "vitest";
import { encodeContent } from "../../electron/client/content.js";
import { keys } from "../../electron/client/rows.js";
import { ClientState } from "../../electron/client/state.js";
import {
  bool,
  bytes,
  conversationId,
  deviceId,
  encode,
  list,
  oneOf,
  optional,
  struct,
  text,
  uint,
  userId,
} from "../../shared/codec.js";
import { DovetailError } from "../../shared/errors.js";
import type { DeviceId } from "../../shared/ids.js";
import { sortable, under, type Write } from "../../shared/key-value.js";
import { ids, MapStore } from "./stage.js";

const own = "0a".repeat(16) as DeviceId;
const floor = oneOf("none", "delivered", "read");

/** As the first schema had them; frozen. */
const first = {
  conversation: struct({
    conversationId,
    kind: oneOf("direct", "group", "notes"),
    members: list(struct({ userId, deliveredUpTo: uint(), readUpTo: uint() }), 1_024),
    head: uint(),
    upTo: uint(),
    readUpTo: uint(),
    nextN: uint(),
    unread: uint(),
    activity: uint(),
  }),
  log: struct({
    userId,
    deviceId,
    n: uint(),
    at: uint(),
    direct: bool,
    floor,
    payload: bytes(65_536),
  }),
  tail: struct({
    userId,
    deviceId,
    n: uint(),
    seq: uint(),
    at: uint(),
    direct: bool,
    floor,
    read: bool,
    signature: optional(bytes(64)),
    heldBy: list(struct({ userId, deviceId }), 64),
    payload: bytes(65_536),
  }),
};

const LOGGED = 1_203;
const payload = (words: string) =>
  encodeContent({ clock: { wall: 5, counter: 0 }, sentAt: 5, body: { type: "text", text: words } });

let store: MapStore;

beforeEach(async () => {
  store = new MapStore();
  const put = (key: string, value: Uint8Array): Write => ({ type: "put", key, value });
  const cursors = { deliveredUpTo: 7, readUpTo: 6 };
  await store.batch([
    put("schema", encode(uint(), 1)),
    put(
      `conversation/${ids.talk}`,
      encode(first.conversation, {
        conversationId: ids.talk,
        kind: "direct",
        members: [
          { userId: ids.alice, ...cursors },
          { userId: ids.bob, ...cursors },
        ],
        ...{ head: LOGGED, upTo: LOGGED, readUpTo: 6, nextN: 4, unread: 2, activity: 99 },
      }),
    ),
    ...Array.from({ length: LOGGED }, (_, i) =>
      put(
        `log/${ids.talk}/${sortable(i + 1)}`,
        encode(first.log, {
          ...{ userId: ids.bob, deviceId: own, n: i + 1, at: i, direct: true, floor: "none" },
          payload: payload(`entry ${i + 1}`),
        }),
      ),
    ),
    put(
      `tail/${ids.talk}/${own}/${sortable(3)}`,
      encode(first.tail, {
        ...{ userId: ids.alice, deviceId: own, n: 3, seq: 0, at: 50, direct: false, floor: "none" },
        ...{ read: true, signature: null, heldBy: [], payload: payload("not yet sent") },
      }),
    ),
    put(`draft/${ids.talk}`, encode(text(65_000), "half a sen")),
  ]);
});

async function asItWas(): Promise<void> {
  const state = await ClientState.load(store);
  const { row, tail, draft, lastShown } = state.conversation(ids.talk);
  expect(row).toMatchObject({ upTo: LOGGED, readUpTo: 6, nextN: 4, unread: 2, accepted: true });
  expect(row.members).toMatchObject([{ deliveredUpTo: 7 }, { deliveredUpTo: 7, admin: false }]);
  expect(tail.map(({ content }) => content.body)).toEqual([{ type: "text", text: "not yet sent" }]);
  expect(draft?.text).toBe("half a sen");
  expect(lastShown?.seq).toBe(LOGGED);
  const shown = await store.range(under(`shown/${ids.talk}/`));
  expect(shown.map(({ key }) => key)).toEqual(
    Array.from({ length: LOGGED }, (_, i) => keys.shown(ids.talk, i + 1)),
  );
  expect([...store.rows.keys()].filter((key) => /^(log|tail|conversation)\//.test(key))).toEqual(
    [],
  );
}

test("at once", asItWas);

test("also when the upgrade is cut off after any of its writes", async () => {
  const { batch } = MapStore.prototype;
  // A batch for the conversation, three for its history, one for what waits, and the last.
  for (let cut = 0; cut < 5; cut++) {
    let left = 1;
    store.batch = async (writes) => {
      if (left-- === 0) throw new DovetailError("disk_full");
      await batch.call(store, writes);
    };
    await expect(ClientState.load(store)).rejects.toMatchObject({ code: "disk_full" });
  }
  store.batch = batch;
  await asItWas();
});
