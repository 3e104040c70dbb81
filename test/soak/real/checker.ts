/** The question whether everything is as promised, asked from outside when all is healed and quiet. */

import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { keys as clientKeys } from "../../../electron/client/rows.js";
import { keys } from "../../../relay/store/rows.js";
import { folderOf } from "../../../relay/store/sharded/folders.js";
import { folderPath, shardsIn } from "../../../relay/workers/folders.js";
import type { Conversation, Message } from "../../../shared/client-api.js";
import { type ConversationId, parseMessageId } from "../../../shared/ids.js";
import { type KeyValue, under } from "../../../shared/key-value.js";
import { openLevel } from "../../../shared/node/level-key-value.js";
import type { SequencedEntry } from "../../../shared/protocol.js";
import { Gathering } from "../../sim/gathering.js";
import {
  holeFaults,
  logFaults,
  placeOf,
  readFaults,
  receiptFaults,
  sentFaults,
  summaryFaults,
} from "../../sim/promises.js";
import { epochFaults, type Logged, loggedOf } from "../../sim/relay-log.js";
import { groupFaults, type Seen, viewFaults, wishFaults } from "../../sim/views.js";
import type { Cast, Talk } from "./cast.js";
import type { Services } from "./cluster.js";
import { copyData } from "./disks.js";
import type { DeviceMachine } from "./machine.js";

/** Entries that are read at once. */
const PAGE = 500;

export type Logs = ReadonlyMap<Talk, readonly Logged[]>;

interface Shown extends Seen<DeviceMachine> {
  readonly summary: Conversation;
}

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
      // Whoever was added to a group by somebody who never heard so is perhaps not in it.
      if (talk.isGroup) continue;
      if (!summary) return `${device.name} does not know a conversation`;
      if (summary.behind > 0) return `${device.name} is behind by ${summary.behind}`;
      const { lastMessage } = summary;
      if (lastMessage?.seq === null) return `${device.name} has ${lastMessage.messageId} unplaced`;
      // What is deleted for oneself is the last for others.
      if (lastMessage) last.set(talk.id, lastMessage.messageId);
    }
  }
  return null;
}

/** What the relay's database holds; the relay must not run. Of several workers each log is in one of their folders. */
async function logsIn(data: string, cast: Cast): Promise<Logs> {
  const shards = shardsIn(data);
  const inFolders = existsSync(shards);
  const stores = new Map<string, KeyValue>();
  try {
    const logs = new Map<Talk, readonly Logged[]>();
    for (const talk of cast.talks) {
      const path = inFolders ? folderPath(shards, folderOf(talk.id)) : data;
      const store = stores.get(path) ?? (await openLevel(path));
      stores.set(path, store);
      const first = keys.entry(talk.id, 0);
      const entries = await store.range(under(first.slice(0, first.lastIndexOf("/") + 1)));
      logs.set(
        talk,
        entries.map(({ key, value }) => loggedOf(talk.id, key, value)),
      );
    }
    return logs;
  } finally {
    for (const store of stores.values()) await store.close();
  }
}

/** The same of a relay of several nodes, which may run. */
async function logsOf(services: Services, cast: Cast): Promise<Logs> {
  const store = await services.openStore();
  try {
    const logs = new Map<Talk, readonly Logged[]>();
    for (const talk of cast.talks) {
      const entries: SequencedEntry[] = [];
      for (let more = true; more; ) {
        const page = await store.logs.entries(talk.id, entries.length + 1, PAGE);
        entries.push(...page);
        more = page.length === PAGE;
      }
      logs.set(
        talk,
        entries.map((entry) => ({ ...entry, ...placeOf(talk.id, entry) })),
      );
    }
    return logs;
  } finally {
    await store.close();
  }
}

export const relayLogs = (cast: Cast): Promise<Logs> =>
  cast.services ? logsOf(cast.services, cast) : logsIn(cast.relay.data, cast);

/** The same of a relay that runs, from a copy: good enough to see whether it is worth stopping it. */
export async function presentLogs(cast: Cast): Promise<Logs> {
  if (cast.services) return relayLogs(cast);
  const copy = join(cast.relay.place.folder, "relay.copy");
  try {
    copyData(cast.relay.data, copy);
    return await logsIn(copy, cast);
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

const gatheringOf = (cast: Cast, talk: Talk, log: readonly Logged[]): Gathering<DeviceMachine> =>
  new Gathering(cast, {
    ...talk,
    log,
    handles: [...talk.handles],
    relayNow: Date.now() + cast.relay.offsetMs,
  });

/** What is not as promised; empty when all is well. */
export async function faults(cast: Cast, logs: Logs): Promise<string[]> {
  const found: string[] = [];
  const known = new Set<string>(cast.all.map(({ deviceId }) => deviceId));
  for (const [talk, log] of logs) {
    const gathering = gatheringOf(cast, talk, log);
    found.push(...holeFaults(log));
    if (talk.isGroup) found.push(...epochFaults(log).map((fault) => `a group: ${fault}`));
    for (const { messageId } of log) {
      const { deviceId } = parseMessageId(messageId)?.origin ?? {};
      if (!deviceId || !known.has(deviceId)) found.push(`nobody here wrote ${messageId}`);
    }
    found.push(...goneFaults(gathering), ...(await farewellFaults(cast, talk, log)));
    const all: Shown[] = [];
    for (const device of gathering.devices) {
      const shown = await look(gathering, device);
      if (typeof shown === "string") found.push(`${device.name} ${shown}`);
      else all.push(shown);
    }
    for (const each of all) {
      found.push(
        ...shownFaults(cast, gathering, each, all).map((f) => `${each.device.name}: ${f}`),
      );
    }
    found.push(...viewFaults(all));
    if (talk.isGroup) {
      const members = all
        .filter(({ device }) => gathering.isMember(device))
        .map((each) => ({ ...each, informed: gathering.isInformed(each.device) }));
      found.push(...groupFaults(members));
      for (const { device, summary } of all) {
        if ((summary.role === "none") === gathering.isMember(device)) {
          found.push(`${device.name} believes to be ${summary.role} in a group, and is not`);
        }
      }
    }
  }
  return found;
}

async function look(
  gathering: Gathering<DeviceMachine>,
  device: DeviceMachine,
): Promise<Shown | string> {
  const { running } = device;
  if (!running) return "does not run";
  try {
    const list = await running.messages(gathering.id);
    const summary = await running.call("conversations.get", { conversationId: gathering.id });
    return {
      ...{ device, list, summary },
      since: gathering.since(device),
      missed: gathering.missed(device),
    };
  } catch (error) {
    return `does not know a conversation: ${error}`;
  }
}

function shownFaults(
  { memory }: Cast,
  talk: Gathering<DeviceMachine>,
  shown: Shown,
  all: readonly Shown[],
): string[] {
  const { device, summary } = shown;
  const list = talk.placed(device, shown.list);
  const { handle, read } = device;
  const gone = new Set<string>(talk.gone.map(({ messageId }) => messageId));
  return [
    ...logFaults(list, talk.visible(device, list), { alone: talk.isAlone(device) }),
    ...sentFaults(
      { handle, read, sent: talk.asked(device) },
      talk.id,
      talk.written(device, shown.list),
    ),
    ...readFaults(device, list),
    ...receiptFaults(device, talk.kept(device, list), talk.readers(device, all)),
    ...summaryFaults(summary, shown.list),
    ...wishFaults(memory, { ...shown, list }, talk.steady(device)),
    ...list
      .filter(({ messageId }) => gone.has(messageId))
      .map(({ seq }) => `shows ${seq}, whose time is up`),
  ];
}

const goneFaults = (talk: Gathering<DeviceMachine>): string[] =>
  talk.gone
    .filter(({ payload }) => payload.length > 0)
    .map(({ seq }) => `the relay keeps ${seq}, whose time is up`);

/** Of devices that were removed: nothing of theirs is lost, and nothing came to them afterwards. */
async function farewellFaults(cast: Cast, { id }: Talk, log: readonly Logged[]): Promise<string[]> {
  const found: string[] = [];
  const logged = new Set<string>(log.map(({ messageId }) => messageId));
  for (const device of cast.removed) {
    const { name, sent, running } = device;
    for (const { messageId, conversationId } of sent) {
      if (conversationId === id && messageId && !logged.has(messageId)) {
        found.push(`${name} was removed, and its ${messageId} is lost`);
      }
    }
    const connection = await running?.call("connection.get", {});
    if (connection?.error !== "device_removed") found.push(`${name} does not know that it is out`);
    const list: readonly Message[] = (await running?.messages(id).catch(() => [])) ?? [];
    const later = new Set(
      cast.devices.flatMap((other) =>
        other.sent.slice(device.farewells.get(other.name) ?? 0).map(({ messageId }) => messageId),
      ),
    );
    for (const { messageId, seq } of list) {
      if (seq !== null && later.has(messageId))
        found.push(`${name} was removed and has ${messageId}`);
    }
  }
  return found;
}

/** What disappeared is on no disk; the devices must not run. */
export async function remains(cast: Cast, logs: Logs): Promise<string[]> {
  const found: string[] = [];
  for (const device of cast.devices) {
    const store = await openLevel(join(device.data, "db"));
    for (const [talk, log] of logs) {
      for (const { seq } of gatheringOf(cast, talk, log).gone) {
        const at = clientKeys.shown(talk.id, seq);
        const rows = await store.range({ from: at, to: `${at}\0` });
        if (rows.length > 0) found.push(`${device.name} keeps ${seq}, whose time is up`);
      }
    }
    await store.close();
  }
  return found;
}
