/** The promises of ARCHITECTURE.md, checked while the world runs and when it has come to rest. */
import type { Client } from "../../electron/client/index.js";
import { keys as clientKeys } from "../../electron/client/rows.js";
import { keys as relayKeys, rows as relayRows } from "../../relay/store/rows.js";
import type { Message, MessageState } from "../../shared/client-api.js";
import {
  type ConversationId,
  type MessageId,
  messageIdOf,
  parseMessageId,
} from "../../shared/ids.js";
import { under } from "../../shared/key-value.js";
import type { Device } from "./machine.js";
import type { MemoryDisk } from "./memory-key-value.js";
import type { Life } from "./network.js";
import {
  brief,
  logFaults,
  orderFaults,
  RANK,
  readFaults,
  receiptFaults,
  sentFaults,
  summaryFaults,
} from "./promises.js";
import type { World } from "./world.js";

/** Messages of one page of history. */
const PAGE = 100;

const has = (disk: MemoryDisk, key: string): boolean =>
  disk.certain({ from: key, to: `${key}\0` }).length > 0;

export class Checker {
  readonly #world: World;
  /** The place that somebody was told of, which never changes again. */
  readonly #places = new Map<MessageId, number>();
  /** The last state that a process told of a message. */
  readonly #states = new Map<Life, Map<MessageId, MessageState>>();
  readonly #cursors = new Map<string, { deliveredUpTo: number; readUpTo: number }>();

  constructor(world: World) {
    this.#world = world;
    world.watch((device, event) => {
      // What the relay acknowledged it may have lost: nothing is certain until the world is quiet.
      if (world.restored) return;
      if (event.event === "message.added" || event.event === "message.updated") {
        this.#told(device, event.data);
      }
    });
  }

  #told(device: Device, message: Message): void {
    const { messageId, seq, state, mine } = message;
    const who = `${device.handle}'s ${brief(message.text)}`;
    if (seq !== null) {
      const place = this.#places.get(messageId) ?? seq;
      this.#places.set(messageId, place);
      if (place !== seq) this.#world.violate(`${who} moved from ${place} to ${seq}`);
    }
    const states = this.#states.get(device.life) ?? new Map<MessageId, MessageState>();
    this.#states.set(device.life, states);
    const last = states.get(messageId);
    if (last && RANK[last] > RANK[state]) {
      this.#world.violate(`${who} went from ${last} back to ${state}`);
    }
    states.set(messageId, state);
    if (mine && state !== "queued") this.#mustBeSafe(device, message);
  }

  /** "Sent" is said only of what a loss of power at this very moment would leave somewhere. */
  #mustBeSafe(device: Device, { messageId, conversationId, state, text }: Message): void {
    const others = (this.#world.conversations.get(conversationId) ?? []).filter(
      (each) => each !== device,
    );
    const held = others.some((other) => this.#holds(other, messageId));
    const { origin } = parseMessageId(messageId) ?? {};
    const logged =
      origin !== undefined &&
      has(this.#world.relay.disk, relayKeys.origin(conversationId, origin.deviceId, origin.n));
    const safe = state === "sent" ? held || logged : held;
    if (!safe)
      this.#world.violate(`${device.handle}'s ${brief(text)} is not ${state}: nobody has it`);
  }

  #holds({ disk }: Device, messageId: MessageId): boolean {
    const parsed = parseMessageId(messageId);
    if (!parsed) return false;
    const { conversationId, origin } = parsed;
    return (
      has(disk, clientKeys.origin(conversationId, origin)) ||
      has(disk, clientKeys.tail(conversationId, origin))
    );
  }

  /** What has to be so at any moment. */
  async look(device: Device, conversationId: ConversationId): Promise<void> {
    this.#cursorsAdvance();
    const list = await device.client?.call("messages.list", { conversationId, limit: 500 });
    if (list) this.#ordered(device, list);
  }

  #ordered(device: Device, list: readonly Message[]): void {
    for (const fault of orderFaults(list)) this.#world.violate(`${device.handle} ${fault}`);
  }

  #cursorsAdvance(): void {
    if (this.#world.restored) return;
    const { disk } = this.#world.relay;
    for (const id of this.#world.conversations.keys()) {
      for (const { key, value } of disk.certain(under(relayKeys.cursors(id)))) {
        const cursor = relayRows.cursor.decode(key, value);
        const last = this.#cursors.get(key);
        if (
          last &&
          (cursor.readUpTo < last.readUpTo || cursor.deliveredUpTo < last.deliveredUpTo)
        ) {
          this.#world.violate(`the cursor ${key} ran back`);
        }
        this.#cursors.set(key, cursor);
      }
    }
  }

  /** The relay's log as it is on the platter. */
  #log(id: ConversationId) {
    return this.#world.relay.disk
      .certain(under(relayKeys.entry(id, 0).slice(0, -11)))
      .map(({ key, value }) => relayRows.entry.decode(key, value));
  }

  /** What has to be so when nothing happens any more; empty when all is well. */
  async faults(): Promise<string[]> {
    this.#cursorsAdvance();
    const faults: string[] = [];
    for (const [id, members] of this.#world.conversations) {
      if (!members.some(({ opened }) => opened.has(id)) && this.#log(id).length === 0) continue;
      const lists = new Map<Device, readonly Message[]>();
      for (const device of members) {
        const { client, handle } = device;
        if (!client) faults.push(`${handle} is not there`);
        else {
          const list = await historyOf(client, id).catch(() => null);
          if (list) lists.set(device, list);
          else faults.push(`${handle} does not know the conversation`);
        }
      }
      const log = this.#log(id).map(({ deviceId, n }) => messageIdOf(id, { deviceId, n }));
      for (const [device, list] of lists) {
        const own = list.filter(({ mine }) => mine);
        const found = [
          ...logFaults(list, log, { alone: members.length === 1 }),
          ...sentFaults(device, id, own),
          ...readFaults(device, list),
          ...[...lists].flatMap(([other, theirs]) =>
            other === device ? [] : receiptFaults(device, list, other, theirs),
          ),
          ...(await againstSummary(device, id, list)),
        ];
        faults.push(...found.map((fault) => `${device.handle}: ${fault}`));
      }
    }
    return faults;
  }
}

/** Page by page, as somebody who scrolls to the top. */
async function historyOf(client: Client, conversationId: ConversationId): Promise<Message[]> {
  const history: Message[] = [];
  for (;;) {
    const before = history[0] && { before: history[0].messageId };
    const page = await client.call("messages.list", { conversationId, limit: PAGE, ...before });
    history.unshift(...page);
    if (page.length < PAGE) return history;
  }
}

/** What the list of conversations says of it. */
async function againstSummary(
  { client }: Device,
  id: ConversationId,
  list: readonly Message[],
): Promise<string[]> {
  const summary = await client?.call("conversations.get", { conversationId: id });
  return summary ? summaryFaults(summary, list) : ["went away"];
}
