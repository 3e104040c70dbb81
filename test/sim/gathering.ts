/** One conversation at rest: who was in it when, and what each of their devices has to show. */
import { decodeContent, targetOf } from "../../electron/client/content.js";
import type { Message } from "../../shared/client-api.js";
import {
  type ConversationId,
  type DeviceId,
  type MessageId,
  messageIdOf,
  parseMessageId,
  type UserId,
} from "../../shared/ids.js";
import { type Memory, own } from "./memory.js";
import type { Asked, Witness } from "./promises.js";
import { current, isIn, type Logged, type Stay, staysOf } from "./relay-log.js";
import type { Seen } from "./views.js";

const ALWAYS: readonly Stay[] = [{ from: 1, to: Number.POSITIVE_INFINITY }];
/**
 * Clocks jump by an hour now and then, and a device that starts believes its own until the relay told
 * it better. Worlds last for minutes, and days pass in pieces that are longer than this.
 */
const CLOCKS_MS = 6 * 3_600_000;

/** A device of somebody who takes part. */
interface Attendant extends Witness {
  readonly name: string;
  readonly deviceId: DeviceId;
}

/** Those who may take part, in a simulated world or on real machines. */
export interface Surroundings<D extends Attendant> {
  /** That are linked. */
  readonly devices: readonly D[];
  readonly memory: Memory;
  userOf(handle: string): UserId | undefined;
  handleOf(userId: UserId): string;
}

export interface Subject {
  readonly id: ConversationId;
  readonly isGroup: boolean;
  /** Of all that can ever have been in it. */
  readonly handles: readonly string[];
  readonly log: readonly Logged[];
  /** By the relay's clock, in milliseconds since 1970. */
  readonly relayNow: number;
}

export class Gathering<D extends Attendant> {
  readonly id: ConversationId;
  readonly log: readonly Logged[];
  readonly isGroup: boolean;
  /** Linked devices of all who are or were in it. */
  readonly devices: readonly D[];
  readonly #world: Surroundings<D>;
  readonly #relayNow: number;
  readonly #stays: ReadonlyMap<string, readonly Stay[]>;
  readonly #bySeq: ReadonlyMap<MessageId, Logged>;

  constructor(world: Surroundings<D>, { id, isGroup, handles, log, relayNow }: Subject) {
    this.id = id;
    this.#world = world;
    this.isGroup = isGroup;
    this.log = log;
    this.#relayNow = relayNow;
    const stays = this.isGroup ? staysOf(this.log) : null;
    this.#stays = new Map(
      handles.map((handle) => {
        const user = world.userOf(handle);
        return [handle, stays ? ((user && stays.get(user)) ?? []) : ALWAYS];
      }),
    );
    this.devices = world.devices.filter(({ handle }) => this.stays(handle).length > 0);
    this.#bySeq = new Map(this.log.map((entry) => [entry.messageId, entry]));
  }

  stays(handle: string): readonly Stay[] {
    return this.#stays.get(handle) ?? [];
  }

  /** Members now. */
  get handles(): string[] {
    return [...this.#stays].filter(([, stays]) => current(stays)).map(([handle]) => handle);
  }

  isMember({ handle }: Attendant): boolean {
    return current(this.stays(handle)) !== undefined;
  }

  /**
   * Whether somebody who knows what the group is called was there when its user came, and still is. A
   * link shows what it was when the link was made.
   */
  isInformed(device: Pick<Attendant, "handle">): boolean {
    const from = this.since(device);
    const entry = this.log.find(({ seq }) => seq === from);
    const byLink =
      entry?.userId === this.#world.userOf(device.handle) && entry?.membership?.epoch !== 1;
    const others = this.steady(device).filter((handle) => handle !== device.handle);
    return !byLink || others.some((handle) => this.isInformed({ handle }));
  }

  /** From which place on its user was told everything that is told to members. */
  since({ handle }: Pick<Attendant, "handle">): number {
    return current(this.stays(handle))?.from ?? Number.POSITIVE_INFINITY;
  }

  /** What was said before its user came of messages that got their places only after that. */
  missed(device: Attendant): Set<MessageId> {
    const since = this.since(device);
    if (!this.isGroup || !Number.isFinite(since)) return new Set();
    const before = this.log.filter(({ seq }) => seq < since);
    const targets = before.flatMap(
      ({ payload, at }) => targetOf(decodeContent(payload, at).body) ?? [],
    );
    const ids = targets.map((target) => messageIdOf(this.id, target));
    return new Set(ids.filter((id) => (this.#bySeq.get(id)?.seq ?? 0) >= since));
  }

  /** Those who were told all that this one was told in its present membership. */
  steady(device: Pick<Attendant, "handle">): string[] {
    const since = this.since(device);
    return this.handles.filter((handle) => (current(this.stays(handle))?.from ?? 0) <= since);
  }

  /** Whether there is nobody to whom what it wrote is delivered. */
  isAlone(device: D): boolean {
    return !this.isMember(device) || this.handles.length === 1;
  }

  /**
   * Without what never gets a place: whoever is out of a group when it comes to that may not write
   * any more, and who was given it directly shows it all the same.
   */
  placed(device: D, list: readonly Message[]): Message[] {
    if (!this.isGroup) return [...list];
    const members = new Set(this.isMember(device) ? this.handles : []);
    return list.filter(({ seq, from }) => seq !== null || members.has(from));
  }

  /** What is to be had of the log by whoever shows this. */
  visible(device: D, list: readonly Message[]): Logged[] {
    const stays = this.stays(device.handle);
    const there = new Set(list.map(({ messageId }) => messageId));
    return this.log.filter(
      (entry) =>
        isIn(stays, entry.seq) &&
        (!entry.shown || there.has(entry.messageId) || !this.#mayLack(device, entry)),
    );
  }

  /** Deleted here, of somebody who was blocked, or about to disappear. */
  #mayLack({ handle }: Attendant, entry: Logged): boolean {
    const { memory } = this.#world;
    if (memory.hidings.of(own(handle, entry.messageId)).length > 0) return true;
    const author = this.#world.handleOf(entry.userId);
    if (!this.isGroup && memory.blocks.of(own(handle, author)).length > 0) return true;
    return entry.ttl > 0 && this.#remaining(entry) < CLOCKS_MS;
  }

  /** Without what others may have deleted for themselves: whether they had read it cannot be seen. */
  kept({ handle }: Attendant, list: readonly Message[]): Message[] {
    const { hidings } = this.#world.memory;
    const others = [...this.#stays.keys()].filter((other) => other !== handle);
    return list.filter(
      ({ messageId, mine }) =>
        !mine || others.every((other) => hidings.of(own(other, messageId)).length === 0),
    );
  }

  /**
   * What those show whose reading counts for what a device wrote, and its user's own devices. What is
   * read by somebody who is out of the group is told to nobody.
   */
  readers(device: D, all: readonly Seen<D>[]): Map<D, readonly Message[]> {
    if (!this.isMember(device)) return new Map();
    const told = all
      .filter((other) => this.isMember(other.device))
      .map(({ device: other, list, since }) => {
        const shown = list.filter(({ seq }) => seq === null || seq >= since);
        return [other, shown] as const;
      });
    return new Map(told);
  }

  /** Whose time is up by every clock. */
  get gone(): Logged[] {
    return this.log.filter((entry) => entry.ttl > 0 && this.#remaining(entry) < -CLOCKS_MS);
  }

  #remaining({ at, ttl }: Logged): number {
    return at + ttl * 1_000 - this.#relayNow;
  }

  /** What a device was asked to send here; what may be gone since counts as perhaps there. */
  asked({ handle, sent }: Attendant): Asked[] {
    const { memory } = this.#world;
    const uncertain = (messageId: MessageId): boolean => {
      if (memory.hidings.of(own(handle, messageId)).length > 0) return true;
      const entry = this.#bySeq.get(messageId);
      return entry !== undefined && entry.ttl > 0 && this.#remaining(entry) < CLOCKS_MS;
    };
    return sent
      .filter(({ conversationId }) => conversationId === this.id)
      .map((asked) =>
        asked.messageId && uncertain(asked.messageId) ? { ...asked, messageId: null } : asked,
      );
  }

  /** What this device wrote, as it was then. */
  written(device: D, list: readonly Message[]): Message[] {
    return list
      .filter(
        ({ messageId, notice }) =>
          !notice && parseMessageId(messageId)?.origin.deviceId === device.deviceId,
      )
      .map((message) => ({ ...message, text: this.#world.memory.original(message) }));
  }
}
