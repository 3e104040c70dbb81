/** What people do with their devices. */
import type { Checker } from "./checker.js";
import type { Device } from "./machine.js";
import type { Prng } from "./virtual-time.js";
import type { World } from "./world.js";

/** Devices of one user at once. */
const MOST_DEVICES = 3;

/** One or a few calls of the client API by one device; answers how many. Texts begin with `label`. */
export function operate(
  world: World,
  checker: Checker,
  random: Prng,
  device: Device,
  label: string,
): number {
  // Now and then a note to oneself.
  const others = random.chance(0.05) ? [device] : world.peersOf(device);
  if (others.length === 0) return 0;
  const other = random.pick(others);
  const conversationId = world.between(device, other);
  const { client } = device;
  if (!client || device.standing === "leaving") return 0;
  let calls = 0;
  /** Calls go on while other things happen; what a fault makes of them is no matter here. */
  const call = (promise: Promise<unknown>) => {
    calls++;
    promise.catch((error: unknown) => world.note(`${device.name}: ${error}`));
  };
  if (!device.opened.has(conversationId)) call(world.openConversation(device, other));
  const dice = random.between(1, 100);
  if (dice <= 60) {
    for (let i = random.between(1, 4); i > 0; i--) {
      // A few of them fill an append or a page by themselves.
      const more = random.chance(0.02) ? ` ${"x".repeat(random.between(20_000, 60_000))}` : "";
      world.send(device, conversationId, `${label}.${i}${more}`);
      calls++;
    }
  } else if (dice <= 75) {
    call(
      client.call("messages.list", { conversationId, limit: 5 }).then(async (list) => {
        const message = random.pick(list);
        if (!message) return;
        const { messageId } = message;
        await client.call("conversations.markRead", { conversationId, messageId });
        device.read.add(messageId);
      }),
    );
  } else if (dice <= 80) {
    call(client.call("typing.set", { conversationId, active: random.chance(0.5) }));
  } else if (dice <= 85) {
    call(world.openConversation(device, other));
  } else if (dice <= 88) {
    call(client.call("settings.set", { directEnabled: random.chance(0.7) }));
  } else if (dice <= 90 && world.severalDevices) {
    if (world.devicesOf([device.handle]).length < MOST_DEVICES) call(world.link(device));
  } else {
    call(checker.look(device, conversationId));
  }
  return calls;
}
