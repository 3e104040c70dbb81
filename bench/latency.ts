/** Send to received between two headless hosts: from writing `messages.send` to reading `message.added`. */
import { join } from "node:path";
import type { ConversationId } from "../shared/ids.js";
import { Headless } from "./processes.js";
import { type Latency, sampleOneByOne } from "./stats.js";

const SAMPLES = 1_000;
const WARM_UP = 100;

interface Pair {
  readonly alice: Headless;
  readonly bob: Headless;
  readonly conversationId: ConversationId;
}

async function sendOnce({ alice, bob, conversationId }: Pair, text: string): Promise<number> {
  const received = bob.next("message.added", (message) => message.text === text);
  const sentAt = performance.now();
  const queued = alice.call("messages.send", { conversationId, text });
  const latency = (await received) - sentAt;
  await queued;
  return latency;
}

async function setDirect({ alice, bob }: Pair, directEnabled: boolean): Promise<void> {
  for (const host of [alice, bob]) await host.call("settings.set", { directEnabled });
}

async function openDirect(pair: Pair): Promise<void> {
  const open = [pair.alice, pair.bob].map((host) =>
    host.next("connection.changed", ({ direct }) => direct.some(({ state }) => state === "open")),
  );
  await setDirect(pair, true);
  // A first message says to whom a channel is worth opening.
  await sendOnce(pair, "opening");
  await Promise.all(open);
}

export async function measureLatency(
  folder: string,
  relay: string,
): Promise<{ relayed: Latency; direct: Latency }> {
  const alice = new Headless(join(folder, "alice"), relay);
  const bob = new Headless(join(folder, "bob"), relay);
  try {
    for (const [host, handle] of [
      [alice, "alice"],
      [bob, "bob"],
    ] as const) {
      await host.call("account.register", { handle, displayName: handle });
    }
    const { conversationId } = await alice.call("conversations.open", { handle: "bob" });
    const pair = { alice, bob, conversationId };
    let n = 0;
    const sample = () => sendOnce(pair, `message ${++n}`);
    await setDirect(pair, false);
    const relayed = await sampleOneByOne(SAMPLES, WARM_UP, sample);
    await openDirect(pair);
    const direct = await sampleOneByOne(SAMPLES, WARM_UP, sample);
    return { relayed, direct };
  } finally {
    await Promise.all([alice.close(), bob.close()]);
  }
}
