/** What goes wrong in the world, and how often. */
import { NEWEST } from "../../electron/client/repair.js";
import { conversationRow, keys } from "../../electron/client/rows.js";
import { under } from "../../shared/key-value.js";
import type { Device, Machine } from "./machine.js";
import type { Path } from "./network.js";
import { strikeNode } from "./relay-nodes.js";
import type { Prng } from "./virtual-time.js";
import type { World } from "./world.js";

/** How often each kind of fault struck. */
export type Struck = Map<string, number>;

interface Fault {
  readonly kind: string;
  /** In how many of a hundred. */
  readonly weight: number;
  strike(world: World, random: Prng, device: Device): unknown;
}

const path = (random: Prng): Path => random.pick<Path>(["up", "up", "cut", "silent"]);
const machineOf = (world: World, random: Prng, device: Device): Machine =>
  random.pick([device, world.relay]);
const nameOf = (world: World, machine: Machine, device: Device): string =>
  machine === world.relay ? "relay" : device.name;

function spoilDisk(world: World, random: Prng, device: Device, what: "full" | "unsure"): void {
  const machine = machineOf(world, random, device);
  machine.disk[what] = !machine.disk[what];
  world.note(`${nameOf(world, machine, device)}'s disk ${what}: ${machine.disk[what]}`);
}

/** The conversations that a device compares with the relay's after an unclean end: older ones may take days. */
function comparedBy(device: Device): ReadonlySet<string> {
  const rows = device.disk
    .certain(under(keys.conversations))
    .map(({ value }) => conversationRow.decode(value))
    .sort((a, b) => b.activity - a.activity);
  const beyond = rows[NEWEST]?.activity ?? Number.NEGATIVE_INFINITY;
  return new Set(
    rows.filter(({ activity }) => activity > beyond).map(({ conversationId }) => conversationId),
  );
}

const FAULTS: readonly Fault[] = [
  {
    kind: "relay killed",
    weight: 15,
    strike: (world) => (world.relay.life.alive ? world.killRelay() : world.startRelay()),
  },
  {
    kind: "device killed",
    weight: 22,
    strike: (world, _random, device) =>
      device.life.alive ? world.kill(device) : world.start(device),
  },
  {
    // Of what has its place, which the relay has too.
    kind: "rows lost",
    weight: 3,
    strike: (world, random, device) => {
      world.kill(device);
      const compared = comparedBy(device);
      const rows = ["shown/", "quiet/", "origin/"]
        .flatMap((prefix) => device.disk.certain(under(prefix)))
        .map(({ key }) => key)
        .filter((key) => compared.has(key.split("/")[1] ?? ""));
      // No process that ends cleanly loses any.
      const lost: string[] = [keys.ended];
      for (let i = Math.min(rows.length, random.between(1, 6)); i > 0; i--) {
        lost.push(random.pick(rows));
      }
      world.note(`${device.name} loses ${lost.join(" ")}`);
      device.disk.lose(lost);
      for (const key of lost) device.lost.add(key);
    },
  },
  {
    kind: "path to the relay",
    weight: 15,
    strike: (world, random, device) => {
      const state = path(random);
      world.note(`${device.name} to the relay: ${state}`);
      world.network.setRelayPath(device.name, state);
    },
  },
  {
    kind: "path between devices",
    weight: 15,
    strike: (world, random, device) => {
      const other = random.pick(world.devices.filter((each) => each !== device));
      const state = path(random);
      world.note(`${device.name} to ${other.name}: ${state}`);
      world.network.setDirectPath(device.name, other.name, state);
    },
  },
  {
    kind: "clock jumps",
    weight: 5,
    strike: (world, random, device) => {
      machineOf(world, random, device).clock.skewMs += random.between(-3_600_000, 3_600_000);
    },
  },
  {
    kind: "disk full",
    weight: 4,
    strike: (world, random, device) => spoilDisk(world, random, device, "full"),
  },
  {
    kind: "fsync fails",
    weight: 3,
    strike: (world, random, device) => spoilDisk(world, random, device, "unsure"),
  },
  {
    kind: "disk slow",
    weight: 4,
    strike: (world, random, device) => {
      machineOf(world, random, device).slowestWriteMs = random.pick([8, 8, 300, 3_000]);
    },
  },
  {
    // A connection that comes and goes is lost in the middle of everything that begins one.
    kind: "path flaps",
    weight: 2,
    strike: async (world, random, device) => {
      for (let i = random.between(1, 4); i > 0; i--) {
        world.network.setRelayPath(device.name, "cut");
        await world.run(random.between(1, 300));
        world.network.setRelayPath(device.name, "up");
        await world.run(random.between(300, 2_000));
      }
    },
  },
  {
    // While the stopping waits for a slow disk the rest of the world goes on.
    kind: "relay stopped",
    weight: 2,
    strike: (world) => void world.stopRelay(),
  },
  {
    kind: "device closed",
    weight: 3,
    strike: (world, _random, device) => void world.stop(device),
  },
];

/** Without it, a world that is much longer than its faults would soon stand still. */
const RECOVERY_PERCENT = 7;

/** Of the faults of a relay of several nodes, how many of a hundred are of one of them. */
const NODE_PERCENT = 40;

export async function strike(
  world: World,
  random: Prng,
  device: Device,
  struck: Struck,
): Promise<void> {
  if (random.chance(RECOVERY_PERCENT / 100)) {
    world.startRelay();
    world.start(device);
    return;
  }
  if (world.relayNodes > 1 && world.nodes && random.chance(NODE_PERCENT / 100)) {
    const kind = strikeNode(world.nodes, world.relayNodes, random);
    struck.set(kind, (struck.get(kind) ?? 0) + 1);
    return;
  }
  let dice = random.between(1, 100 - RECOVERY_PERCENT);
  for (const fault of FAULTS) {
    dice -= fault.weight;
    if (dice > 0) continue;
    struck.set(fault.kind, (struck.get(fault.kind) ?? 0) + 1);
    await fault.strike(world, random, device);
    return;
  }
}
