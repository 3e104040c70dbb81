/** Random operations and faults, then healing, then the question whether everything is as promised. */
import { Checker } from "./checker.js";
import type { Device } from "./machine.js";
import type { Path } from "./network.js";
import { World, type WorldOptions } from "./world.js";

interface Knobs {
  /** Things that happen before the world is healed. */
  readonly steps: number;
  /** How many of a hundred are faults. */
  readonly faultPercent: number;
}

interface Outcome {
  readonly world: World;
  readonly operations: number;
  readonly faults: number;
}

/** Virtual time that everything may take to come right: the longest back-off is a minute. */
const PATIENCE_MS = 5 * 60_000;
/** And then nothing may change any more. */
const QUIET_MS = 30_000;

export async function play(
  options: WorldOptions,
  knobs: Knobs = { steps: 120, faultPercent: 25 },
): Promise<Outcome> {
  const world = await World.open(options);
  const checker = new Checker(world);
  const { random } = world;
  let faults = 0;
  let operations = 0;
  for (let step = 0; step < knobs.steps; step++) {
    if (random.chance(knobs.faultPercent / 100)) {
      faults++;
      await fault(world, random.pick(world.devices));
    } else {
      operations++;
      await operation(world, checker, random.pick(world.devices), step);
    }
    // Mostly in quick succession, sometimes with time for everything to settle.
    await world.run(random.chance(0.8) ? random.between(0, 200) : random.between(200, 12_000));
    if (world.violations.length > 0) return { world, operations, faults };
  }
  await settle(world, checker);
  return { world, operations, faults };
}

/** Heals the world and waits until it is as promised; what is wrong then is a violation. */
export async function settle(world: World, checker: Checker): Promise<void> {
  world.heal();
  let found: string[] = [];
  for (let waited = 0; waited < PATIENCE_MS; waited += 5_000) {
    await world.run(5_000);
    world.heal();
    found = await ask(world, checker);
    if (found.length === 0) break;
  }
  await world.run(QUIET_MS);
  for (const each of await ask(world, checker)) world.violate(each);
  if (found.length > 0) world.violate(`it did not settle: ${found[0]}`);
}

async function ask(world: World, checker: Checker): Promise<string[]> {
  let found: string[] = [];
  await world.act([
    checker.faults().then((faults) => {
      found = faults;
    }),
  ]);
  return found;
}

async function operation(
  world: World,
  checker: Checker,
  device: Device,
  step: number,
): Promise<void> {
  const { random } = world;
  // Now and then a note to oneself.
  const other = random.chance(0.05)
    ? device
    : random.pick(world.devices.filter((each) => each !== device));
  const id = world.between(device, other);
  const { client } = device;
  if (!client) return;
  /** Calls go on while other things happen; what a fault makes of them is no matter here. */
  const call = (promise: Promise<unknown>) =>
    void promise.catch((error: unknown) => world.note(`${device.handle}: ${error}`));
  if (!device.opened.has(id)) call(world.openConversation(device, other));
  const dice = random.between(1, 100);
  if (dice <= 60) {
    for (let i = random.between(1, 4); i > 0; i--) {
      // A few of them fill an append or a page by themselves.
      const more = random.chance(0.02) ? ` ${"x".repeat(random.between(20_000, 60_000))}` : "";
      world.send(device, id, `${step}.${i}${more}`);
    }
  } else if (dice <= 75) {
    call(
      client.call("messages.list", { conversationId: id, limit: 5 }).then(async (list) => {
        const message = random.pick(list);
        if (!message) return;
        const { messageId } = message;
        await client.call("conversations.markRead", { conversationId: id, messageId });
        device.read.add(messageId);
      }),
    );
  } else if (dice <= 80) {
    call(client.call("typing.set", { conversationId: id, active: random.chance(0.5) }));
  } else if (dice <= 85) {
    call(world.openConversation(device, other));
  } else if (dice <= 88) {
    call(client.call("settings.set", { directEnabled: random.chance(0.7) }));
  } else {
    call(checker.look(device, id));
  }
}

async function fault(world: World, device: Device): Promise<void> {
  const { random, network } = world;
  const other = random.pick(world.devices.filter((each) => each !== device));
  const path = () => random.pick<Path>(["up", "up", "cut", "silent"]);
  const dice = random.between(1, 100);
  if (dice <= 15) {
    if (world.relay.life.alive) world.killRelay();
    else world.startRelay();
  } else if (dice <= 40) {
    if (device.life.alive) world.kill(device);
    else world.start(device);
  } else if (dice <= 55) {
    const state = path();
    world.note(`${device.handle} to the relay: ${state}`);
    network.setRelayPath(device.handle, state);
  } else if (dice <= 70) {
    const state = path();
    world.note(`${device.handle} to ${other.handle}: ${state}`);
    network.setDirectPath(device.handle, other.handle, state);
  } else if (dice <= 75) {
    const machine = random.pick([device, world.relay]);
    machine.clock.skewMs += random.between(-3_600_000, 3_600_000);
  } else if (dice <= 82) {
    const machine = random.pick([device, world.relay]);
    const what = random.pick(["full", "unsure"] as const);
    machine.disk[what] = !machine.disk[what];
    const who = machine === world.relay ? "relay" : device.handle;
    world.note(`${who}'s disk ${what}: ${machine.disk[what]}`);
  } else if (dice <= 86) {
    random.pick([device, world.relay]).slowestWriteMs = random.pick([8, 8, 300, 3_000]);
  } else if (dice <= 88) {
    // A connection that comes and goes is lost in the middle of everything that begins one.
    for (let i = random.between(1, 4); i > 0; i--) {
      network.setRelayPath(device.handle, "cut");
      await world.run(random.between(1, 300));
      network.setRelayPath(device.handle, "up");
      await world.run(random.between(300, 2_000));
    }
  } else if (dice <= 90) {
    // While the stopping waits for a slow disk the rest of the world goes on.
    void world.stopRelay();
  } else if (dice <= 93) {
    void world.stop(device);
  } else {
    world.startRelay();
    world.start(device);
  }
}
