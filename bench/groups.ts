/**
 * What a message to a group costs its sender and the relay, by the size of the group. The sender is
 * a headless host of its own; the others share this process.
 */
import { join } from "node:path";
import type { Client } from "../electron/client/index.js";
import type { ConversationId } from "../shared/ids.js";
import { MAX_GROUP_MEMBERS } from "../shared/limits.js";
import { allShow, crowd } from "./crowd.js";
import { Headless, processorSeconds } from "./processes.js";

/**
 * Small ones, because a process that plays several people with @roamhq/wrtc opens hundreds of sockets
 * for each channel between them; what they cost grows evenly.
 */
const MESH_SIZES = [2, 3, 4, 6];
const MESSAGES = 200;
const LARGE_MESSAGES = 20;
const TEXT = "x".repeat(100);

export interface MeshCost {
  readonly members: number;
  /** Microseconds of the sender's processor for one message. */
  readonly direct: number;
  readonly relayed: number;
}

export interface LargeCost {
  readonly members: number;
  /** Milliseconds of the relay's processor for one message. */
  readonly relay: number;
  /** Milliseconds of the sender's processor for one message. */
  readonly sender: number;
  /** Milliseconds from sending until the last member shows it. */
  readonly reached: number;
}

async function relaySeconds(http: string): Promise<number> {
  const metrics = await (await fetch(`${http}/metrics`)).text();
  return Number(/^process_cpu_seconds_total (\S+)$/m.exec(metrics)?.[1]);
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 50));
}

async function makeGroup(
  sender: Headless,
  others: readonly Client[],
  handles: readonly string[],
): Promise<ConversationId> {
  const { conversationId } = await sender.call("groups.create", {
    name: "Bench",
    handles: [...handles],
  });
  const knows = (client: Client) =>
    client.call("conversations.get", { conversationId }).then(
      ({ memberCount }) => memberCount === handles.length + 1,
      () => false,
    );
  await until(async () => (await Promise.all(others.map(knows))).every(Boolean));
  return conversationId;
}

/** Sends some messages one after the other, each when all have the one before. */
async function sendEach(
  sender: Headless,
  others: readonly Client[],
  conversationId: ConversationId,
  count: number,
  label: string,
): Promise<number> {
  const startedAt = performance.now();
  for (let i = 0; i < count; i++) {
    const text = `${label} ${i} ${TEXT}`;
    const shown = allShow(others, text);
    await sender.call("messages.send", { conversationId, text });
    await shown;
  }
  return (performance.now() - startedAt) / count;
}

export async function measureMesh(folder: string, relay: { url: string }): Promise<MeshCost[]> {
  const costs: MeshCost[] = [];
  for (const members of MESH_SIZES) {
    const sender = new Headless(join(folder, `mesh${members}`), relay.url);
    const others = await crowd(relay.url, members - 1, `mesh${members}x`, true);
    try {
      const handle = `mesh${members}`;
      await sender.call("account.register", { handle, displayName: handle });
      const handles = others.map((_, i) => `mesh${members}x${i}`);
      const id = await makeGroup(sender, others, handles);
      await sendEach(sender, others, id, 5, "opening");
      await until(async () => {
        const { direct } = await sender.call("connection.get", {});
        return direct.filter(({ state }) => state === "open").length >= members - 1;
      });
      const cost = async (label: string) => {
        await sendEach(sender, others, id, 50, `${label} warm`);
        const before = processorSeconds(sender.pid);
        await sendEach(sender, others, id, MESSAGES, label);
        return ((processorSeconds(sender.pid) - before) / MESSAGES) * 1e6;
      };
      const direct = await cost("direct");
      await sender.call("settings.set", { directEnabled: false });
      costs.push({ members, direct, relayed: await cost("relayed") });
    } finally {
      await Promise.all([sender.close(), ...others.map((client) => client.close())]);
    }
  }
  return costs;
}

export async function measureLarge(
  folder: string,
  relay: { url: string; http: string },
): Promise<LargeCost[]> {
  const costs: LargeCost[] = [];
  for (const members of [2, 100, MAX_GROUP_MEMBERS]) {
    const sender = new Headless(join(folder, `large${members}`), relay.url);
    const others = await crowd(relay.url, members - 1, `large${members}x`);
    try {
      const handle = `large${members}`;
      await sender.call("account.register", { handle, displayName: handle });
      await sender.call("settings.set", { directEnabled: false });
      const handles = others.map((_, i) => `large${members}x${i}`);
      const id = await makeGroup(sender, others, handles);
      await sendEach(sender, others, id, 5, "opening");
      const [relayBefore, senderBefore] = [
        await relaySeconds(relay.http),
        processorSeconds(sender.pid),
      ];
      const reached = await sendEach(sender, others, id, LARGE_MESSAGES, "large");
      const each = (seconds: number) => (seconds / LARGE_MESSAGES) * 1000;
      costs.push({
        members,
        reached,
        relay: each((await relaySeconds(relay.http)) - relayBefore),
        sender: each(processorSeconds(sender.pid) - senderBefore),
      });
    } finally {
      await Promise.all([sender.close(), ...others.map((client) => client.close())]);
    }
  }
  return costs;
}

/** Markdown tables, so that they can be put into docs/performance.md as they are. */
export function reportGroups(mesh: readonly MeshCost[], large: readonly LargeCost[]): string {
  const table = (rows: readonly (readonly string[])[]) =>
    rows.map((row) => `| ${row.join(" | ")} |`).join("\n");
  const micros = (value: number) => `${Math.round(value)} µs`;
  const millis = (value: number) => `${value.toFixed(1)} ms`;
  return `${table([
    ["members", "sender, direct", "sender, by the relay", "ratio"],
    ["---:", "---:", "---:", "---:"],
    ...mesh.map(({ members, direct, relayed }) => [
      String(members),
      micros(direct),
      micros(relayed),
      `${(direct / relayed).toFixed(1)}×`,
    ]),
  ])}\n\n${table([
    ["members", "relay's processor", "sender's processor", "all have it after"],
    ["---:", "---:", "---:", "---:"],
    ...large.map(({ members, relay, sender, reached }) => [
      String(members),
      millis(relay),
      millis(sender),
      millis(reached),
    ]),
  ])}\n`;
}
