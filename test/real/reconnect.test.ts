/** What coming back costs: counted in frames and bytes on the wire. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { newKey, openCore } from "../../bench/crowd.js";
import type { Client } from "../../electron/client/index.js";
import type { RelayDialer } from "../../electron/client/ports.js";
import { relayDialer } from "../../electron/node/relay-dialer.js";
import type { ConversationId } from "../../shared/ids.js";
import { openLevel } from "../../shared/node/level-key-value.js";
import { NO_LIMITS, type Relay, Scene, until } from "./processes.js";

let scene: Scene;
let relay: Relay;
beforeEach(async () => {
  scene = new Scene();
  relay = await scene.relay({ data: await scene.folder(), args: NO_LIMITS });
});
afterEach(() => scene.end());

interface Cost {
  frames: number;
  bytes: number;
}

/** Counts what goes over the wire in both directions. */
function counting(cost: Cost): RelayDialer {
  const count = (frame: Uint8Array) => {
    cost.frames++;
    cost.bytes += frame.length;
  };
  return {
    dial(url, events) {
      const wire = relayDialer.dial(url, {
        ...events,
        open: () => events.open(),
        closed: (code, reason) => events.closed(code, reason),
        frame(frame) {
          count(frame);
          events.frame(frame);
        },
      });
      return {
        close: () => wire.close(),
        send(frame) {
          count(frame);
          wire.send(frame);
        },
      };
    },
  };
}

const level = (client: Client, wanted: number) =>
  until(
    "all conversations are known",
    async () => {
      const list = await client.call("conversations.list", { limit: 1_000 });
      return list.filter(({ behind }) => behind === 0).length;
    },
    (count) => count >= wanted,
  );

/** Somebody with so many conversations comes back after some of them have changed. */
async function costOfReturning(who: string, conversations: number, changed: number): Promise<Cost> {
  const folder = await scene.folder();
  const key = newKey();
  const open = async (cost: Cost) =>
    openCore(relay.url, { store: await openLevel(folder), key, dialer: counting(cost) });
  const away = await open({ frames: 0, bytes: 0 });
  await away.call("account.register", { handle: who, displayName: who });
  const store = await openLevel(await scene.folder());
  const friend = await openCore(relay.url, { store, key: newKey() });
  const friendly = `${who}_friend`;
  await friend.call("account.register", { handle: friendly, displayName: friendly });

  const groups: ConversationId[] = [];
  while (groups.length < conversations) {
    const made = await Promise.all(
      Array.from({ length: Math.min(25, conversations - groups.length) }, () =>
        friend.call("groups.create", { name: "Group", handles: [who] }),
      ),
    );
    groups.push(...made.map(({ conversationId }) => conversationId));
  }
  await level(away, conversations);
  await away.close();
  for (const conversationId of groups.slice(0, changed)) {
    await friend.call("messages.send", { conversationId, text: "while you were away" });
  }
  await until(
    "the relay has them",
    async () => {
      const list = await friend.call("conversations.list", { limit: changed });
      return list.every(({ lastMessage }) => lastMessage?.seq !== null);
    },
    Boolean,
  );

  const cost: Cost = { frames: 0, bytes: 0 };
  const back = await open(cost);
  await until(
    "what changed is here",
    async () => {
      const list = await back.call("conversations.list", { limit: changed });
      return list.filter(({ lastMessage }) => lastMessage?.text === "while you were away").length;
    },
    (count) => count === changed,
  );
  // Receipts and presence follow: it has come to rest when nothing was said between two looks.
  let before = -1;
  await until(
    "nothing more is said",
    async () => {
      const same = cost.frames === before;
      before = cost.frames;
      await new Promise((resolve) => setTimeout(resolve, 300));
      return same && cost.frames === before;
    },
    Boolean,
  );
  await Promise.all([back.close(), friend.close()]);
  return cost;
}

test("coming back to 1,000 conversations of which 5 changed costs what the 5 cost", async () => {
  const few = await costOfReturning("few", 50, 5);
  const many = await costOfReturning("many", 1_000, 5);
  const more = await costOfReturning("more", 50, 20);
  // Twenty times the conversations change nothing; four times the changes cost at most four times.
  expect(many.frames).toBeLessThanOrEqual(few.frames + 2);
  expect(many.bytes).toBeLessThan(few.bytes * 1.2);
  expect(more.frames).toBeGreaterThan(few.frames);
  expect(more.bytes).toBeLessThan(few.bytes * 4);
});
