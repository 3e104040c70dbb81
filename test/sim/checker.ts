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
import { compareMessages } from "../../shared/message-order.js";
import { brief, type Device } from "./machine.js";
import type { MemoryDisk } from "./memory-key-value.js";
import type { Life } from "./network.js";
import type { World } from "./world.js";

/** Messages of one page of history. */
const PAGE = 100;
const RANK: Record<MessageState, number> = { queued: 0, sent: 1, delivered: 2, read: 3 };

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
    const lastN = new Map<string, number>();
    for (const [i, message] of list.entries()) {
      const next = list[i + 1];
      if (next && compareMessages(message, next) >= 0) {
        this.#world.violate(
          `${device.handle} shows ${brief(next.text)} after ${brief(message.text)}`,
        );
      }
      const { deviceId, n } = parseMessageId(message.messageId)?.origin ?? { deviceId: "", n: 0 };
      if (n <= (lastN.get(deviceId) ?? 0)) {
        this.#world.violate(`${device.handle} shows ${brief(message.text)} after a later one`);
      }
      lastN.set(deviceId, n);
    }
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
      for (const [device, list] of lists) {
        const found = [
          ...this.#againstLog(device, id, list),
          ...againstSent(device, id, list),
          ...againstOthers(device, list, lists),
          ...(await againstSummary(device, id, list)),
        ];
        faults.push(...found.map((fault) => `${device.handle}: ${fault}`));
      }
    }
    return faults;
  }

  /** One order, nothing missing and nothing doubled, and all of it delivered. */
  #againstLog(device: Device, id: ConversationId, list: readonly Message[]): string[] {
    this.#ordered(device, list);
    const faults: string[] = [];
    const alone = this.#world.conversations.get(id)?.length === 1;
    const log = this.#log(id).map(({ deviceId, n }) => messageIdOf(id, { deviceId, n }));
    if (new Set(log).size !== log.length) faults.push("the log has an entry twice");
    if (list.map(({ messageId }) => messageId).join() !== log.join()) {
      faults.push(`has ${list.length} messages where the log has ${log.length}`);
    }
    for (const [i, { seq, mine, state, text }] of list.entries()) {
      if (seq !== i + 1) faults.push(`has ${brief(text)} at ${seq}, not ${i + 1}`);
      const final = alone ? RANK.sent : RANK.delivered;
      if (mine && RANK[state] < final) faults.push(`${brief(text)} is still ${state}`);
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

/** In the order of sending: what was acknowledged all of it once, what was not perhaps. */
function againstSent(device: Device, id: ConversationId, list: readonly Message[]): string[] {
  const faults: string[] = [];
  const own = device.sent.filter(({ conversationId }) => conversationId === id);
  const texts = list.filter(({ mine }) => mine).map(({ text }) => text);
  const ids = new Set(list.map(({ messageId }) => messageId));
  if (new Set(texts).size !== texts.length) faults.push("sent something twice");
  const expected = own.filter(({ text, messageId }) => messageId || texts.includes(text));
  if (expected.map(({ text }) => text).join() !== texts.join()) {
    faults.push(`sent ${expected.map(({ text }) => brief(text))}, and shows ${texts.map(brief)}`);
  }
  for (const { text, messageId, refused } of own) {
    // What became of a failed fsync nobody knows.
    if (refused && refused.code !== "storage_failed" && texts.includes(text)) {
      faults.push(`${brief(text)} was refused and is there`);
    }
    if (messageId && !ids.has(messageId)) faults.push(`${brief(text)} is lost`);
  }
  return faults;
}

/** A writer is told "read" when the reader has read, and never otherwise. */
function againstOthers(
  device: Device,
  list: readonly Message[],
  lists: ReadonlyMap<Device, readonly Message[]>,
): string[] {
  const faults: string[] = [];
  for (const [other, theirs] of lists) {
    if (other === device) continue;
    const read = new Set(
      theirs.filter(({ mine, state }) => !mine && state === "read").map((each) => each.messageId),
    );
    for (const { messageId, mine, state, text } of list) {
      if (mine && (state === "read") !== read.has(messageId)) {
        faults.push(`${brief(text)} is ${state}, which ${other.handle} sees otherwise`);
      }
      if (!mine && device.read.has(messageId) && state !== "read") {
        faults.push(`${brief(text)} was read once and is not any more`);
      }
    }
  }
  return faults;
}

/** What the list of conversations says of it. */
async function againstSummary(
  { client }: Device,
  id: ConversationId,
  list: readonly Message[],
): Promise<string[]> {
  const summary = await client?.call("conversations.get", { conversationId: id });
  if (!summary) return ["went away"];
  const faults: string[] = [];
  const unread = list.filter(({ mine, state }) => !mine && state !== "read").length;
  if (summary.unread !== unread) faults.push(`counts ${summary.unread} unread of ${unread}`);
  if (summary.behind !== 0) faults.push(`is behind by ${summary.behind}`);
  if (summary.lastMessage?.messageId !== list.at(-1)?.messageId) {
    faults.push("another message is said to be the last");
  }
  return faults;
}
