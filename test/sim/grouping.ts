/** What people do with groups. */
import type { ConversationId } from "../../shared/ids.js";
import type { Device } from "./machine.js";
import type { Prng } from "./virtual-time.js";
import type { World } from "./world.js";

/** Groups in one world. */
const MOST_GROUPS = 3;

/** Until all know who is not there any more. */
const PARTING_MS = 1_000;

/** The groups that somebody is in, as far as the device was told. */
export const groupsOf = (device: Device): ConversationId[] =>
  [...device.roles].filter(([, role]) => role !== "none").map(([id]) => id);

export async function found(
  world: World,
  random: Prng,
  device: Device,
  label: string,
): Promise<void> {
  const others = [...new Set(world.peersOf(device).map(({ handle }) => handle))];
  const handles = others.filter(() => random.chance(0.8));
  await world.ask(device, "groups.create", { name: `group ${label}`, handles });
}

export const mayFound = (world: World): boolean => world.groups.size < MOST_GROUPS;

/** A change of the group, by somebody who may be allowed to. */
export async function regroup(
  world: World,
  random: Prng,
  device: Device,
  conversationId: ConversationId,
  label: string,
): Promise<void> {
  const id = { conversationId };
  const { handle } = random.pick(world.peersOf(device));
  const on = random.chance(0.5);
  const dice = random.between(1, 100);
  if (dice <= 50) await world.ask(device, "groups.add", { ...id, handles: [handle] });
  else if (dice <= 70) await world.ask(device, "groups.setAdmin", { ...id, handle, admin: on });
  else if (dice <= 76) await world.ask(device, "groups.restrict", { ...id, restricted: on });
  else if (dice <= 84) await world.ask(device, "groups.update", { ...id, name: `group ${label}` });
  else if (dice <= 92) {
    const maxUses = on ? 2 : null;
    const { code } = await world.ask(device, "groups.createInvite", { ...id, maxUses });
    world.memory.codes.push(code);
  } else await world.ask(device, "groups.members", id);
}

/**
 * Somebody is removed from a group or leaves it, in a calm: what somebody has told others directly and
 * not yet the relay is taken by nobody afterwards, and changes what those show who were told.
 */
export async function part(world: World, random: Prng, device: Device): Promise<void> {
  const groups = groupsOf(device);
  if (groups.length === 0) return;
  const id = { conversationId: random.pick(groups) };
  const { handle } = random.pick(world.devices);
  const asked =
    handle === device.handle
      ? world.ask(device, "groups.leave", id)
      : world.ask(device, "groups.remove", { ...id, handle });
  // Only admins may, and only whom the group has.
  await world.act([asked.catch((error: unknown) => world.note(`${device.name}: ${error}`))]);
  await world.run(PARTING_MS);
}

/** By a link that somebody has given away. */
export async function join(world: World, random: Prng, device: Device): Promise<void> {
  const { codes } = world.memory;
  if (codes.length === 0) return;
  await world.ask(device, "groups.join", { code: random.pick(codes) });
}
