/** The promises of ARCHITECTURE.md, checked while the world runs and when it has come to rest. */
import type { Client } from "../../electron/client/index.js";
import { keys as clientKeys } from "../../electron/client/rows.js";
import { keys as relayKeys, rows as relayRows } from "../../relay/store/rows.js";
import type { Message, MessageState } from "../../shared/client-api.js";
import { type ConversationId, type MessageId, parseMessageId } from "../../shared/ids.js";
import { fromSortable, under } from "../../shared/key-value.js";
import type { Device } from "./machine.js";
import type { MemoryDisk } from "./memory-key-value.js";
import type { Life } from "./network.js";
import {
  brief,
  holeFaults,
  type LogPlace,
  logFaults,
  orderFaults,
  placeOf,
  RANK,
  readFaults,
  receiptFaults,
  sentFaults,
  summaryFaults,
  writtenBy,
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
  /** How long the logs were when a device was removed: further it may not see. */
  readonly #ends = new Map<Device, ReadonlyMap<ConversationId, number>>();

  constructor(world: World) {
    this.#world = world;
    world.watch((device, event) => {
      // What the relay acknowledged it may have lost: nothing is certain until the world is quiet.
      if (world.restored) return;
      if (event.event === "message.added" || event.event === "message.updated") {
        this.#told(device, event.data);
      }
    });
    world.whenRemoved((device) => {
      const ids = [...world.conversations.keys()];
      this.#ends.set(device, new Map(ids.map((id) => [id, this.#log(id).length])));
    });
  }

  #told(device: Device, message: Message): void {
    const { messageId, conversationId, seq, state, mine } = message;
    const who = `${device.name}'s ${brief(message.text)}`;
    if (seq !== null) {
      const place = this.#places.get(messageId) ?? seq;
      this.#places.set(messageId, place);
      if (place !== seq) this.#world.violate(`${who} moved from ${place} to ${seq}`);
      const end = this.#ends.get(device)?.get(conversationId) ?? Number.POSITIVE_INFINITY;
      if (seq > end) this.#world.violate(`${who} reached a removed device`);
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
    const origin = parseMessageId(messageId)?.origin;
    if (!origin) {
      this.#world.violate(`${messageId} is no id of a message`);
      return;
    }
    const members = this.#world.conversations.get(conversationId) ?? [];
    const tail = clientKeys.tail(conversationId, origin);
    const log = clientKeys.origin(conversationId, origin);
    const held = [...this.#world.devices, ...this.#world.outside].some(
      (other) =>
        other !== device &&
        members.includes(other.handle) &&
        (has(other.disk, log) || has(other.disk, tail)),
    );
    const logged = () =>
      has(this.#world.relay.disk, relayKeys.origin(conversationId, origin.deviceId, origin.n));
    const safe = held || (state === "sent" && logged());
    if (!safe)
      this.#world.violate(`${device.name}'s ${brief(text)} is not ${state}: nobody has it`);
    if (origin.deviceId === device.deviceId) device.safe.add(messageId);
  }

  /** What has to be so at any moment. */
  async look(device: Device, conversationId: ConversationId): Promise<void> {
    this.#cursorsAdvance();
    const list = await device.client?.call("messages.list", { conversationId, limit: 500 });
    for (const fault of orderFaults(list ?? [])) this.#world.violate(`${device.name}: ${fault}`);
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
  #log(id: ConversationId): LogPlace[] {
    return this.#world.relay.disk
      .certain(under(relayKeys.entry(id, 0).slice(0, -11)))
      .map(({ key, value }) =>
        placeOf(id, {
          seq: fromSortable(key.slice(key.lastIndexOf("/") + 1)),
          ...relayRows.entry.decode(key, value),
        }),
      );
  }

  /** What has to be so when nothing happens any more; empty when all is well. */
  async faults(): Promise<string[]> {
    this.#cursorsAdvance();
    const faults: string[] = [];
    for (const [id, handles] of this.#world.conversations) {
      const members = this.#world.devicesOf(handles);
      const log = this.#log(id);
      if (!members.some(({ opened }) => opened.has(id)) && log.length === 0) continue;
      const lists = new Map<Device, readonly Message[]>();
      for (const device of members) {
        const { client, name } = device;
        if (!client) faults.push(`${name} is not there`);
        else {
          const list = await historyOf(client, id).catch(() => null);
          if (list) lists.set(device, list);
          else faults.push(`${name} does not know the conversation`);
        }
      }
      for (const [device, list] of lists) {
        const found = [
          ...logFaults(list, log, { alone: handles.length === 1 }),
          ...sentFaults(device, id, writtenBy(device.deviceId, list)),
          ...readFaults(device, list),
          ...receiptFaults(device, list, lists),
          ...(await againstSummary(device, id, list)),
        ];
        faults.push(...found.map((fault) => `${device.name}: ${fault}`));
      }
      faults.push(...holeFaults(log), ...this.#strangers(id, log));
    }
    for (const device of this.#ends.keys()) faults.push(...(await this.#removedFaults(device)));
    return faults;
  }

  /** Each entry was written by a device that was asked to; nothing that was told to be safe is lost. */
  #strangers(id: ConversationId, log: readonly LogPlace[]): string[] {
    const faults: string[] = [];
    const all = [...this.#world.devices, ...this.#world.outside];
    const known = new Set<string>(all.map(({ deviceId }) => deviceId));
    for (const { messageId } of log) {
      if (!known.has(parseMessageId(messageId)?.origin.deviceId ?? "")) {
        faults.push(`nobody wrote ${messageId}`);
      }
    }
    const logged = new Set(log.map(({ messageId }) => messageId));
    for (const { name, safe } of all) {
      for (const messageId of safe) {
        const lost = parseMessageId(messageId)?.conversationId === id && !logged.has(messageId);
        if (lost) faults.push(`${name}'s ${messageId} was acknowledged and is lost`);
      }
    }
    return faults;
  }

  /** It knows that it is out. */
  async #removedFaults({ client, name }: Device): Promise<string[]> {
    const connection = await client?.call("connection.get", {});
    if (connection?.error === "device_removed") return [];
    return [`${name} was removed and is ${connection?.relay ?? "not there"}`];
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
