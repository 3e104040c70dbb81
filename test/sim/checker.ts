/** The promises of ARCHITECTURE.md, checked while the world runs and when it has come to rest. */
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
import type { MemoryDisk } from "./memory-key-value.js";
import type { Life } from "./network.js";
import type { Device, World } from "./world.js";

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
      if (event.event === "message.added" || event.event === "message.updated") {
        this.#told(device, event.data);
      }
    });
  }

  #told(device: Device, message: Message): void {
    const { messageId, seq, state, mine, text } = message;
    const who = `${device.handle}'s ${text}`;
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
    if (!safe) this.#world.violate(`${device.handle}'s ${text} is not ${state}: nobody has it`);
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
        this.#world.violate(`${device.handle} shows ${next.text} after ${message.text}`);
      }
      const { deviceId, n } = parseMessageId(message.messageId)?.origin ?? { deviceId: "", n: 0 };
      if (n <= (lastN.get(deviceId) ?? 0)) {
        this.#world.violate(`${device.handle} shows ${message.text} after a later one`);
      }
      lastN.set(deviceId, n);
    }
  }

  #cursorsAdvance(): void {
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
    const faults: string[] = [];
    const refuse = (fault: string) => faults.push(fault);
    this.#cursorsAdvance();
    for (const [id, members] of this.#world.conversations) {
      const log = this.#log(id).map(({ deviceId, n }) => messageIdOf(id, { deviceId, n }));
      if (new Set(log).size !== log.length) refuse("the log has an entry twice");
      for (const device of members) {
        const { handle } = device;
        const list = await device.client?.call("messages.list", { conversationId: id, limit: 500 });
        if (!list) {
          refuse(`${handle} is not there`);
          continue;
        }
        this.#ordered(device, list);
        if (list.map(({ messageId }) => messageId).join() !== log.join()) {
          refuse(`${handle} has ${list.length} messages where the log has ${log.length}`);
        }
        for (const [i, { seq, mine, state, text }] of list.entries()) {
          if (seq !== i + 1) refuse(`${handle} has ${text} at ${seq}, not ${i + 1}`);
          if (mine && RANK[state] < RANK.delivered) refuse(`${handle}'s ${text} is still ${state}`);
        }
        const own = device.sent.filter((sent) => sent.conversationId === id);
        const texts = list.filter(({ mine }) => mine).map(({ text }) => text);
        if (new Set(texts).size !== texts.length) refuse(`${handle} sent something twice`);
        // In the order of sending: what was acknowledged all of it, what was not perhaps.
        const expected = own.filter(({ text, messageId }) => messageId || texts.includes(text));
        if (expected.map(({ text }) => text).join() !== texts.join()) {
          refuse(`${handle} sent ${expected.map(({ text }) => text)}, the log has ${texts}`);
        }
        for (const { text, messageId, refused } of own) {
          if (refused && texts.includes(text))
            refuse(`${handle}'s ${text} was refused and is there`);
          if (messageId && log.filter((each) => each === messageId).length !== 1) {
            refuse(`${handle}'s ${text} is not in the log once`);
          }
        }
      }
    }
    return faults;
  }
}
