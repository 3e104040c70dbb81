/** The question whether everything is as promised, asked from outside when all is healed and quiet. */

import { keys, rows } from "../../../relay/store/rows.js";
import type { Message } from "../../../shared/client-api.js";
import { type ConversationId, parseMessageId } from "../../../shared/ids.js";
import { fromSortable, under } from "../../../shared/key-value.js";
import { openLevel } from "../../../shared/node/level-key-value.js";
import {
  holeFaults,
  type LogPlace,
  logFaults,
  placeOf,
  readFaults,
  receiptFaults,
  sentFaults,
  summaryFaults,
  writtenBy,
} from "../../sim/promises.js";
import type { Cast, Talk } from "./cast.js";
import type { DeviceMachine } from "./machine.js";

/** Of one conversation, what each device shows. */
export type Histories = ReadonlyMap<Talk, ReadonlyMap<DeviceMachine, readonly Message[]>>;

export async function histories(cast: Cast): Promise<Histories> {
  const all = new Map<Talk, Map<DeviceMachine, readonly Message[]>>();
  for (const talk of cast.talks) {
    const shown = new Map<DeviceMachine, readonly Message[]>();
    for (const device of membersOf(cast, talk)) {
      if (device.running) shown.set(device, await device.running.messages(talk.id));
    }
    all.set(talk, shown);
  }
  return all;
}

const membersOf = (cast: Cast, { members }: Talk): DeviceMachine[] =>
  cast.devices.filter(({ handle }) => members.has(handle));

/** Whether it has come to rest, without reading everything; what is missing where it has not. */
export async function unrest(cast: Cast): Promise<string | null> {
  const last = new Map<ConversationId, string>();
  for (const device of cast.devices) {
    if (!device.running) return `${device.name} does not run`;
    for (const talk of cast.talksOf(device)) {
      // Not by the list: notes that nobody has used do not stand there.
      const summary = await device.running
        .call("conversations.get", { conversationId: talk.id })
        .catch(() => null);
      if (!summary) return `${device.name} does not know a conversation`;
      if (summary.behind > 0) return `${device.name} is behind by ${summary.behind}`;
      const { lastMessage } = summary;
      const place = lastMessage ? `${lastMessage.messageId} at ${lastMessage.seq}` : "nothing";
      if (lastMessage?.seq === null) return `${device.name} has ${lastMessage.messageId} unplaced`;
      if ((last.get(talk.id) ?? place) !== place) return `${device.name} has ${place} as its last`;
      last.set(talk.id, place);
    }
  }
  return null;
}

/** What the relay's database holds; the relay must not run. */
export async function relayLogs(cast: Cast): Promise<ReadonlyMap<Talk, readonly LogPlace[]>> {
  const store = await openLevel(cast.relay.data);
  const logs = new Map<Talk, readonly LogPlace[]>();
  for (const talk of cast.talks) {
    const { id } = talk;
    const first = keys.entry(id, 0);
    const entries = await store.range(under(first.slice(0, first.lastIndexOf("/") + 1)));
    logs.set(
      talk,
      entries.map(({ key, value }) =>
        placeOf(id, {
          seq: fromSortable(key.slice(key.lastIndexOf("/") + 1)),
          ...rows.entry.decode(key, value),
        }),
      ),
    );
  }
  await store.close();
  return logs;
}

/** What is not as promised; empty when all is well. */
export async function faults(
  cast: Cast,
  shown: Histories,
  logs: ReadonlyMap<Talk, readonly LogPlace[]> | null,
): Promise<string[]> {
  const found: string[] = [];
  for (const [talk, lists] of shown) {
    const [any] = lists.values();
    // While the relay runs its log cannot be read: then all have to show what one of them shows.
    const log =
      logs?.get(talk) ??
      (any ?? []).map(({ messageId, seq }) => ({ messageId, seq: seq ?? 0, shown: true }));
    const known = new Set<string>(cast.devices.map(({ deviceId }) => deviceId));
    if (logs) found.push(...holeFaults(log));
    for (const { messageId } of log) {
      const { deviceId } = parseMessageId(messageId)?.origin ?? {};
      if (!deviceId || !known.has(deviceId)) found.push(`nobody here wrote ${messageId}`);
    }
    for (const [device, list] of lists) {
      const since = talk.members.get(device.handle) ?? 0;
      const tell = (each: readonly string[]) =>
        found.push(...each.map((fault) => `${device.name}: ${fault}`));
      const places = log.filter(({ seq }) => seq > since);
      tell(logFaults(list, places, { alone: talk.members.size === 1 }));
      tell(sentFaults(device, talk.id, writtenBy(device.deviceId, list)));
      tell(readFaults(device, list));
      tell(receiptFaults(device, list, lists));
      if (!device.running) throw new Error(`${device.name} ended while it was looked at`);
      const { id: conversationId } = talk;
      tell(summaryFaults(await device.running.call("conversations.get", { conversationId }), list));
    }
  }
  return found;
}
