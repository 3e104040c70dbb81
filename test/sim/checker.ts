/** The promises of ARCHITECTURE.md, checked while the world runs and when it has come to rest. */
import type { Client } from "../../electron/client/index.js";
import { keys as clientKeys, conversationRow, tailRow } from "../../electron/client/rows.js";
import { keys as relayKeys, rows as relayRows } from "../../relay/store/rows.js";
import type { Conversation, Message, MessageState } from "../../shared/client-api.js";
import {
  type ConversationId,
  type MessageId,
  type Origin,
  parseMessageId,
} from "../../shared/ids.js";
import { under } from "../../shared/key-value.js";
import { Gathering, type Subject } from "./gathering.js";
import type { Device } from "./machine.js";
import type { Life } from "./network.js";
import {
  brief,
  holeFaults,
  logFaults,
  orderFaults,
  RANK,
  readFaults,
  receiptFaults,
  sentFaults,
  summaryFaults,
} from "./promises.js";
import { epochFaults, groupRow, isIn, readLog, staysOf, tableFaults } from "./relay-log.js";
import { groupFaults, ownFaults, type Seen, viewFaults, wishFaults } from "./views.js";
import type { World } from "./world.js";

interface Summary {
  readonly device: Device;
  readonly summary: Conversation;
}

/** Messages of one page of history. */
const PAGE = 100;

/** Time for all nodes to look for what they missed, also on a slow disk. */
const LOOKED_MS = 6_000;

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
    world.whenRemoved((device) => this.#out(device));
  }

  /** A node that was cut off hears of it only when it looks. */
  #out(device: Device): void {
    const { conversations, nodes, relay, time } = this.#world;
    if (nodes?.wasSplit(LOOKED_MS)) {
      time.after(LOOKED_MS, () => this.#out(device));
      return;
    }
    const ids = [...conversations.keys()];
    this.#ends.set(device, new Map(ids.map((id) => [id, readLog(relay.disk, id).length])));
  }

  #told(device: Device, message: Message): void {
    const { messageId, conversationId, seq, state, mine } = message;
    const who = `${device.name}'s ${brief(message.text)}`;
    this.#stays(device, message);
    if (seq !== null) {
      const end = this.#ends.get(device)?.get(conversationId) ?? Number.POSITIVE_INFINITY;
      if (seq > end) this.#world.violate(`${who} reached a removed device`);
    }
    const states = this.#states.get(device.life) ?? new Map<MessageId, MessageState>();
    this.#states.set(device.life, states);
    const last = states.get(messageId);
    // In a group somebody may come who has not got it yet.
    const isGroup = this.#world.groups.has(conversationId);
    if (last && RANK[last] > RANK[state] && !isGroup) {
      this.#world.violate(`${who} went from ${last} back to ${state}`);
    }
    states.set(messageId, state);
    if (mine && state !== "queued") this.#mustBeSafe(device, message);
  }

  /** A place that was told once is the message's for ever. */
  #stays(device: Device, { messageId, seq, text }: Message): void {
    if (seq === null || this.#world.restored) return;
    const place = this.#places.get(messageId) ?? seq;
    this.#places.set(messageId, place);
    if (place !== seq) {
      this.#world.violate(`${device.name}'s ${brief(text)} moved from ${place} to ${seq}`);
    }
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
        // What it lost of the log comes back: that is asked when nothing happens any more.
        (other.disk.isCertain(log) || other.disk.isCertain(tail) || other.lost.has(log)),
    );
    const logged = () =>
      this.#world.relay.disk.isCertain(relayKeys.origin(conversationId, origin.deviceId, origin.n));
    const safe =
      held || ((state === "sent" || this.#wroteAlone(conversationId, origin)) && logged());
    if (!safe)
      this.#world.violate(`${device.name}'s ${brief(text)} is not ${state}: nobody has it`);
    if (origin.deviceId === device.deviceId) device.safe.add(messageId);
  }

  /** Nobody else was in the group, and whoever came later is not waited for. */
  #wroteAlone(id: ConversationId, origin: Origin): boolean {
    if (!this.#world.groups.has(id)) return false;
    const log = readLog(this.#world.relay.disk, id);
    const entry = log.find((each) => each.deviceId === origin.deviceId && each.n === origin.n);
    if (!entry) return false;
    const stays = [...staysOf(log)].filter(([user]) => user !== entry.userId);
    return !stays.some(([, each]) => isIn(each, entry.seq));
  }

  /** What has to be so of messages that are shown together, at any moment. */
  showed(device: Device, list: readonly Message[]): void {
    for (const fault of orderFaults(list)) this.#world.violate(`${device.name}: ${fault}`);
    for (const message of list) this.#stays(device, message);
  }

  /** And of conversations. */
  listed(device: Device, list: readonly Conversation[]): void {
    this.#cursorsAdvance();
    const ids = new Set(list.map(({ conversationId }) => conversationId));
    if (ids.size !== list.length) this.#world.violate(`${device.name} lists a conversation twice`);
    for (const { lastMessage } of list) if (lastMessage) this.#stays(device, lastMessage);
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

  /**
   * What has to be so when nothing happens any more; empty when all is well. With the first
   * conversation where something is wrong it ends: there is more to wait for, or enough to tell.
   */
  async faults(): Promise<string[]> {
    this.#cursorsAdvance();
    const faults: string[] = this.#world.devices.flatMap((device) => this.#waiting(device));
    const summaries: Summary[] = [];
    for (const id of this.#world.conversations.keys()) {
      if (faults.length > 0) return faults;
      const talk = new Gathering(this.#world, this.#subject(id));
      const opened = talk.devices.some((device) => device.opened.has(id));
      if (!opened && talk.log.length === 0) continue;
      const seen: (Seen<Device> & Summary)[] = [];
      for (const device of talk.devices) {
        const there = await look(talk, device);
        if (typeof there === "string") faults.push(`${device.name} ${there}`);
        else seen.push(there);
      }
      for (const each of seen) {
        const found = this.#historyFaults(talk, each, seen);
        faults.push(...found.map((fault) => `${each.device.name}: ${fault}`));
      }
      faults.push(...holeFaults(talk.log), ...this.#strangers(talk), ...remains(talk));
      faults.push(...viewFaults(seen));
      if (talk.isGroup) faults.push(...(await this.#groupFaults(talk, seen)));
      summaries.push(...seen);
    }
    faults.push(...ownFaults(this.#world.memory, summaries));
    for (const device of this.#ends.keys()) faults.push(...(await this.#removedFaults(device)));
    return faults;
  }

  #subject(id: ConversationId): Subject {
    const { groups, conversations, relay } = this.#world;
    return {
      id,
      isGroup: groups.has(id),
      handles: conversations.get(id) ?? [],
      log: readLog(relay.disk, id),
      relayNow: relay.clock.during({ alive: true }).now(),
    };
  }

  #historyFaults(
    talk: Gathering<Device>,
    seen: Seen<Device> & Summary,
    all: readonly Seen<Device>[],
  ): string[] {
    const { device, summary } = seen;
    const list = talk.placed(device, seen.list);
    const log = talk.visible(device, list);
    const witness = { handle: device.handle, read: device.read, sent: talk.asked(device) };
    return [
      ...logFaults(list, log, { alone: talk.isAlone(device) }),
      ...sentFaults(witness, talk.id, talk.written(device, seen.list)),
      ...readFaults(device, list),
      ...receiptFaults(device, talk.kept(device, list), talk.readers(device, all)),
      ...summaryFaults(summary, seen.list),
      ...wishFaults(this.#world.memory, { ...seen, list }, talk.steady(device)),
    ];
  }

  /** All that it wrote has its place, also what nobody is shown; but for what it wrote when it was out. */
  #waiting({ name, disk, deviceId, userId }: Device): string[] {
    const faults: string[] = [];
    for (const { key, value } of disk.present(under(clientKeys.tails))) {
      const id = key.slice(clientKeys.tails.length).split("/")[0] as ConversationId;
      const entry = tailRow.decode(value);
      if (entry.deviceId !== deviceId || entry.seq !== 0) continue;
      const members = this.#world.groups.has(id) && groupRow(this.#world.relay.disk, id)?.members;
      if (members && !members.some((member) => member.userId === userId)) continue;
      faults.push(`${name} has not brought ${entry.n} of ${id} to the relay`);
    }
    return faults;
  }

  /** Members, roles and what the group is called: with all alike, and as the relay has them. */
  async #groupFaults(
    talk: Gathering<Device>,
    seen: readonly (Seen<Device> & Summary)[],
  ): Promise<string[]> {
    const { disk } = this.#world.relay;
    const faults = [...epochFaults(talk.log), ...tableFaults(disk, talk.id, talk.log)].map(
      (fault) => `the group ${fault}`,
    );
    const row = groupRow(disk, talk.id);
    const members = row?.members.map(({ userId, admin }) =>
      withRole(this.#world.handleOf(userId), admin),
    );
    const views: (Summary & { informed: boolean })[] = [];
    for (const { device, summary } of seen) {
      if (!talk.isMember(device)) {
        if (summary.role !== "none") faults.push(`${device.name} believes to be in the group`);
        continue;
      }
      const listed = await device.client?.call("groups.members", { conversationId: talk.id });
      const told = listed?.map(({ handle, admin }) => withRole(handle, admin)) ?? [];
      if (told.join() !== members?.join()) {
        faults.push(`${device.name} has the members ${told}, the relay ${members}`);
      }
      const key = clientKeys.conversation(talk.id);
      const [stored] = device.disk.present({ from: key, to: `${key}\0` });
      const { epoch, restricted } = conversationRow.decode(stored?.value ?? new Uint8Array());
      if (epoch !== row?.epoch || restricted !== row.restricted) {
        faults.push(`${device.name} is in epoch ${epoch}, the relay in ${row?.epoch}`);
      }
      views.push({ device, summary, informed: talk.isInformed(device) });
    }
    return [...faults, ...groupFaults(views)];
  }

  /** Each entry was written by a device that was asked to; nothing that was told to be safe is lost. */
  #strangers(talk: Gathering<Device>): string[] {
    const faults: string[] = [];
    const all = [...this.#world.devices, ...this.#world.outside];
    const known = new Set<string>(all.map(({ deviceId }) => deviceId));
    for (const { messageId } of talk.log) {
      if (!known.has(parseMessageId(messageId)?.origin.deviceId ?? "")) {
        faults.push(`nobody wrote ${messageId}`);
      }
    }
    const logged = new Set(talk.log.map(({ messageId }) => messageId));
    for (const device of all) {
      // Whoever is out of the group keeps it, and so do those who have it directly.
      if (!talk.isMember(device)) continue;
      for (const messageId of device.safe) {
        const lost =
          parseMessageId(messageId)?.conversationId === talk.id && !logged.has(messageId);
        if (lost) faults.push(`${device.name}'s ${messageId} was acknowledged and is lost`);
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

async function look(
  talk: Gathering<Device>,
  device: Device,
): Promise<(Seen<Device> & Summary) | string> {
  const { client } = device;
  if (!client) return "is not there";
  try {
    const list = await historyOf(client, talk.id);
    const summary = await client.call("conversations.get", { conversationId: talk.id });
    return {
      ...{ device, list, summary },
      since: talk.since(device),
      missed: talk.missed(device),
    };
  } catch {
    return "does not know the conversation";
  }
}

/** What disappeared is on no disk. */
function remains(talk: Gathering<Device>): string[] {
  const faults: string[] = [];
  for (const { seq, payload } of talk.gone) {
    if (payload.length > 0) faults.push(`the relay keeps ${seq}, whose time is up`);
    for (const { disk, name } of talk.devices) {
      const at = clientKeys.shown(talk.id, seq);
      if (disk.present({ from: at, to: `${at}\0` }).length > 0) {
        faults.push(`${name} keeps ${seq}, whose time is up`);
      }
    }
  }
  return faults;
}

const withRole = (handle: string, admin: boolean): string => (admin ? `${handle}*` : handle);
