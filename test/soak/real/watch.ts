/** What the devices tell while the run goes on: nothing that was told is taken back. */
import type { ClientEvent, Message, MessageState } from "../../../shared/client-api.js";
import type { ConversationId, MessageId } from "../../../shared/ids.js";
import { brief, orderFaults, RANK } from "../../sim/promises.js";
import type { DeviceMachine } from "./machine.js";

/** Of what one process told. */
interface Told {
  readonly life: number;
  readonly states: Map<MessageId, MessageState>;
}

/** More of them say no more. */
const MAX_VIOLATIONS = 200;
/** Messages that are looked at for whether they wait; more would only tell the same. */
const LAST_SENT = 100;

export class Watch {
  readonly violations: string[] = [];
  /** Events that were looked at. */
  events = 0;
  /** Messages that came to a device, and how many of them from another device without the relay. */
  received = 0;
  direct = 0;
  /** The place that somebody was told of, which never changes again. */
  readonly #places = new Map<MessageId, number>();
  readonly #taken = new Map<ConversationId, Map<number, MessageId>>();
  readonly #told = new Map<DeviceMachine, Told>();
  readonly #isGroup: (id: ConversationId) => boolean;
  readonly #note: (line: string) => void;

  constructor(note: (line: string) => void, isGroup: (id: ConversationId) => boolean) {
    this.#note = note;
    this.#isGroup = isGroup;
  }

  violate(what: string): void {
    this.#note(`VIOLATION ${what}`);
    if (this.violations.length < MAX_VIOLATIONS) this.violations.push(what);
  }

  hear(device: DeviceMachine, { event, data }: ClientEvent, life: number): void {
    this.events++;
    if (event !== "message.added" && event !== "message.updated") return;
    const told = this.#of(device, life);
    if (!told) return;
    const { messageId, state, text, mine, path } = data;
    if (event === "message.added" && !mine) {
      this.received++;
      if (path === "direct") this.direct++;
    }
    const last = told.states.get(messageId);
    if (event === "message.added" && last) {
      this.violate(`${device.name} was told twice of a new ${brief(text)}`);
    }
    // A receipt is a cursor: where one runs back, a message does.
    // In a group somebody may come who has not got it yet.
    if (last && RANK[last] > RANK[state] && !this.#isGroup(data.conversationId)) {
      this.violate(`${device.name}: ${brief(text)} went from ${last} back to ${state}`);
    }
    told.states.set(messageId, state);
    this.#place(device, data);
  }

  /** A page of history, at any moment. */
  ordered(device: DeviceMachine, list: readonly Message[]): void {
    for (const message of list) this.#place(device, message);
    for (const fault of orderFaults(list)) this.violate(`${device.name}: ${fault}`);
  }

  /** How many of the last messages of a device have no place yet, as far as anybody was told. */
  waiting({ sent }: DeviceMachine): number {
    return sent
      .slice(-LAST_SENT)
      .filter(({ messageId }) => messageId !== null && !this.#places.has(messageId)).length;
  }

  #place(device: DeviceMachine, { messageId, conversationId, seq, text }: Message): void {
    if (seq === null) return;
    const place = this.#places.get(messageId) ?? seq;
    this.#places.set(messageId, place);
    if (place !== seq) this.violate(`${device.name}: ${brief(text)} moved from ${place} to ${seq}`);
    const taken = this.#taken.get(conversationId) ?? new Map<number, MessageId>();
    this.#taken.set(conversationId, taken);
    if ((taken.get(seq) ?? messageId) !== messageId) {
      this.violate(`${device.name}: ${brief(text)} has the place ${seq} of another`);
    }
    taken.set(seq, messageId);
  }

  /** Null for a line of a process that was over already when it was read. */
  #of(device: DeviceMachine, life: number): Told | null {
    const told = this.#told.get(device);
    if (told && told.life > life) return null;
    if (told?.life === life) return told;
    const fresh = { life, states: new Map() };
    this.#told.set(device, fresh);
    return fresh;
  }
}
