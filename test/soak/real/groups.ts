/** What people do with groups. */
import { setTimeout as sleep } from "node:timers/promises";
import type { ConversationId, MessageId } from "../../../shared/ids.js";
import { RpcError } from "../../real/processes.js";
import type { Prng } from "../../sim/virtual-time.js";
import { newTalk, type Talk } from "./cast.js";
import type { DeviceMachine } from "./machine.js";
import type { Traffic } from "./traffic.js";

const MOST_GROUPS = 5;
/** For how long somebody waits until all that they wrote has a place. */
const LOOKS = 60;
const LOOK_MS = 500;

export async function found(traffic: Traffic, random: Prng, device: DeviceMachine): Promise<void> {
  const { talks, handles } = traffic.cast;
  if (talks.filter(({ isGroup }) => isGroup).length >= MOST_GROUPS) return;
  const others = handles.filter((handle) => handle !== device.handle && random.chance(0.7));
  const name = `of ${device.handle}`;
  const { conversationId } = await traffic.ask(device, "groups.create", { name, handles: others });
  talks.push(newTalk(conversationId, true, [device.handle, ...others]));
}

/** A change of the group, by somebody who may be allowed to. */
export async function regroup(
  traffic: Traffic,
  random: Prng,
  device: DeviceMachine,
  talk: Talk,
): Promise<void> {
  const id = { conversationId: talk.id };
  const { cast, memory } = traffic;
  const handle = random.pick(cast.handles);
  const on = random.chance(0.5);
  const dice = random.between(1, 100);
  if (dice <= 40) {
    if (talk.parting.has(handle)) return;
    talk.handles.add(handle);
    await traffic.ask(device, "groups.add", { ...id, handles: [handle] });
    if (!talk.parting.has(handle)) talk.present.add(handle);
  } else if (dice <= 60 && traffic.admins) {
    await traffic.ask(device, "groups.setAdmin", { ...id, handle, admin: on });
  } else if (dice <= 66) {
    await traffic.ask(device, "groups.restrict", { ...id, restricted: random.chance(0.2) });
  } else if (dice <= 76) {
    await traffic.ask(device, "groups.update", { ...id, name: `of ${random.between(1, 1_000)}` });
  } else if (dice <= 88) {
    const maxUses = on ? 2 : null;
    const { code } = await traffic.ask(device, "groups.createInvite", { ...id, maxUses });
    memory.codes.push(code);
  } else if (dice <= 94 && memory.codes.length > 0) {
    const code = random.pick(memory.codes);
    await traffic.ask(device, "groups.revokeInvite", { ...id, code });
  } else {
    await traffic.ask(device, "groups.members", id);
  }
}

/** By a link that somebody has given away. */
export async function join(traffic: Traffic, random: Prng, device: DeviceMachine): Promise<void> {
  const { memory, cast } = traffic;
  if (memory.codes.length === 0) return;
  const { handle } = device;
  // Whom the link leads to is told only then, and who is out may not know it yet.
  for (const talk of cast.talks) if (talk.isGroup) talk.handles.add(handle);
  const { conversationId } = await traffic.ask(device, "groups.join", {
    code: random.pick(memory.codes),
  });
  const talk = cast.talks.find(({ id }) => id === conversationId);
  if (talk && !talk.parting.has(handle)) talk.present.add(handle);
}

/**
 * Somebody leaves a group or is removed. What was told directly and has no place by then is taken by
 * nobody, or not for whoever is out: so all fall silent there before, until all know who is out. Faults
 * go on, and the talk elsewhere.
 */
export async function part(traffic: Traffic, random: Prng, signal: AbortSignal): Promise<boolean> {
  const { cast } = traffic;
  const groups = cast.talks.filter(({ isGroup, present }) => isGroup && present.size > 1);
  if (groups.length === 0) return false;
  const talk = random.pick(groups);
  const { present, parting } = talk;
  const handles = [...present];
  const handle = random.pick(handles);
  for (const each of cast.handles) parting.add(each);
  present.clear();
  let out = false;
  try {
    const devices = cast.devices.filter((device) => handles.includes(device.handle));
    // Whoever is asked to do something elsewhere may do it here: by a link, for one.
    await Promise.all(cast.devices.map((device) => traffic.answers(device)));
    if (!(await settled(traffic, devices, [talk], signal))) return false;
    const others = devices.filter((device) => device.handle !== handle);
    out = await goneFrom(traffic, random, talk.id, cast.devicesOf(handle), others, signal);
    if (out) await known(traffic, talk.id, handle, devices, signal);
    return out;
  } finally {
    parting.clear();
    for (const each of handles) if (!out || each !== handle) present.add(each);
  }
}

/** Until all devices were told that somebody is out. */
async function known(
  traffic: Traffic,
  conversationId: ConversationId,
  handle: string,
  devices: readonly DeviceMachine[],
  signal: AbortSignal,
): Promise<void> {
  for (const device of devices) {
    for (let i = 0; i < LOOKS && !signal.aborted; i++) {
      const members = await traffic
        .ask(device, "groups.members", { conversationId })
        .catch(() => null);
      if (members && !members.some((member) => member.handle === handle)) break;
      await sleep(LOOK_MS);
    }
  }
}

/** Whether all that these devices wrote has a place: each one's entries get theirs in order. */
export async function settled(
  traffic: Traffic,
  devices: readonly DeviceMachine[],
  talks: readonly Talk[],
  signal: AbortSignal,
): Promise<boolean> {
  const places = devices.flatMap((device) =>
    talks.map((talk) => placed(traffic, device, talk, signal)),
  );
  return (await Promise.all(places)).every((each) => each);
}

async function placed(
  traffic: Traffic,
  device: DeviceMachine,
  talk: Talk,
  signal: AbortSignal,
): Promise<boolean> {
  let messageId: MessageId | null = null;
  for (let i = 0; i < LOOKS && !signal.aborted; i++) {
    messageId ??= await traffic.farewell(device, talk).catch(() => null);
    if (messageId) {
      const message = await traffic.ask(device, "messages.get", { messageId }).catch(() => null);
      if (typeof message?.seq === "number") return true;
    }
    await sleep(LOOK_MS);
  }
  return false;
}

/** Asks until it is certain. */
async function goneFrom(
  traffic: Traffic,
  random: Prng,
  conversationId: ConversationId,
  own: readonly DeviceMachine[],
  others: readonly DeviceMachine[],
  signal: AbortSignal,
): Promise<boolean> {
  const handle = own[0]?.handle ?? "";
  let leaves = random.chance(0.5) || others.length === 0;
  while (!signal.aborted) {
    const device = random.pick(leaves ? own : others);
    try {
      if (leaves) await traffic.ask(device, "groups.leave", { conversationId });
      else await traffic.ask(device, "groups.remove", { conversationId, handle });
      return true;
    } catch (error) {
      const code = error instanceof RpcError ? error.code : null;
      // Whom admins do not remove goes.
      if (code === "not_allowed" || code === "not_a_member" || code === "not_found") {
        if (leaves) return true;
        leaves = true;
      }
      await sleep(LOOK_MS);
    }
  }
  return false;
}
