/** What people do with their devices. */
import { browse } from "./browse.js";
import type { Checker } from "./checker.js";
import { found, groupsOf, join, mayFound, regroup } from "./grouping.js";
import type { Device } from "./machine.js";
import { arrange, block, speakOf } from "./talk.js";
import type { Prng } from "./virtual-time.js";
import type { World } from "./world.js";

/** Devices of one user at once. */
const MOST_DEVICES = 3;
/** How much of the talk is in groups, where there are any. */
const IN_GROUPS = 0.4;

/** One or a few calls of the client API by one device. Texts begin with `label`. */
export function operate(
  world: World,
  checker: Checker,
  random: Prng,
  device: Device,
  label: string,
): void {
  // Now and then a note to oneself.
  const others = random.chance(0.05) ? [device] : world.peersOf(device);
  if (others.length === 0) return;
  const other = random.pick(others);
  const { client } = device;
  if (!client || device.standing === "leaving") return;
  /** Calls go on while other things happen; what a fault makes of them is no matter here. */
  const call = (promise: Promise<unknown>) => {
    promise.catch((error: unknown) => world.note(`${device.name}: ${error}`));
  };
  const groups = groupsOf(device);
  const group = groups.length > 0 && random.chance(IN_GROUPS) ? random.pick(groups) : null;
  const conversationId = group ?? world.between(device, other);
  if (!group && !device.opened.has(conversationId)) call(world.openConversation(device, other));
  const dice = random.between(1, 100);
  if (dice <= 35) {
    for (let i = random.between(1, 4); i > 0; i--) {
      // A few of them fill an append or a page by themselves.
      const more = random.chance(0.02) ? ` ${"x".repeat(random.between(20_000, 60_000))}` : "";
      world.send(device, conversationId, `${label}.${i}${more}`);
    }
  } else if (dice <= 56) {
    call(speakOf(world, random, device, conversationId, label));
  } else if (dice <= 61) {
    call(arrange(world, random, device, conversationId, label));
  } else if (dice <= 63) {
    call(world.ask(device, "typing.set", { conversationId, active: random.chance(0.5) }));
  } else if (dice <= 65) {
    call(world.openConversation(device, other));
  } else if (dice <= 67) {
    call(world.ask(device, "settings.set", { directEnabled: random.chance(0.7) }));
  } else if (dice <= 69) {
    const full = world.devicesOf([device.handle]).length >= MOST_DEVICES;
    if (world.severalDevices && !full) call(world.link(device));
  } else if (dice <= 70) {
    const seconds = random.pick([0, 86_400, 86_400, 604_800] as const);
    call(world.ask(device, "conversations.setTimer", { conversationId, seconds }));
  } else if (dice <= 71 && other !== device) {
    call(block(world, random, device, other));
  } else if (dice <= 75) {
    if (group) call(regroup(world, random, device, group, label));
    else if (mayFound(world)) call(found(world, random, device, label));
    else call(join(world, random, device));
  } else {
    call(browse(world, checker, random, device, conversationId));
  }
}
