/** Random operations and faults, then healing, then the question whether everything is as promised. */
import { Checker } from "./checker.js";
import { type Struck, strike } from "./faults.js";
import { part } from "./grouping.js";
import type { Device } from "./machine.js";
import { operate } from "./operations.js";
import { Prng } from "./virtual-time.js";
import { World, type WorldOptions } from "./world.js";

export interface Knobs {
  /** Things that happen before the world is healed. */
  readonly steps: number;
  /** How many of a hundred are faults. */
  readonly faultPercent: number;
  /** Steps that do not happen; all others are what they were. */
  readonly without?: ReadonlySet<number>;
}

export interface Outcome {
  readonly world: World;
  /** Calls of the client API. */
  readonly operations: number;
  readonly struck: Struck;
}

export const KNOBS: Knobs = { steps: 120, faultPercent: 25 };
/** Virtual time that everything may take to come right: the longest back-off is a minute. */
const PATIENCE_MS = 5 * 60_000;
/** And then nothing may change any more. */
const QUIET_MS = 30_000;
/** The most people who do something at one moment. */
const AT_ONCE = 5;
/** How often all comes to rest, of operations, for what is done only then. */
const CALM = 0.02;
/** Longer than messages last that disappear, by whatever clock. */
const NIGHT_MS = 40 * 3_600_000;
/** Any odd number: it keeps the steps' numbers apart from each other's and from the world's. */
const STEP_STRIDE = 0x632be5ab;

export async function play(options: WorldOptions, knobs: Knobs = KNOBS): Promise<Outcome> {
  const world = await World.open(options);
  const checker = new Checker(world);
  const struck: Struck = new Map();
  for (let step = 0; step < knobs.steps; step++) {
    if (knobs.without?.has(step)) continue;
    // Each step has chance for itself, so that one can be left out and the others stay the same.
    const random = new Prng(Math.imul(options.seed, STEP_STRIDE) + step);
    const device = random.pick(world.devices);
    if (random.chance(knobs.faultPercent / 100)) await strike(world, random, device, struck);
    else if (random.chance(CALM)) await inCalm(world, checker, random, device);
    else {
      // People do not wait for each other.
      for (let i = random.between(1, AT_ONCE); i > 0; i--) {
        operate(world, checker, random, random.pick(world.devices), `${step}.${i}`);
      }
    }
    // Mostly in quick succession, sometimes with time for everything to settle.
    await world.run(random.chance(0.9) ? random.between(0, 200) : random.between(200, 12_000));
    if (world.violations.length > 0) return { world, operations: world.operations, struck };
  }
  await settle(world, checker);
  return { world, operations: world.operations, struck };
}

async function inCalm(world: World, checker: Checker, random: Prng, device: Device): Promise<void> {
  if (!(await calm(world, checker))) return;
  const dice = random.between(1, 10);
  if (dice <= 3) world.remove(device, random);
  else if (dice <= 8) await part(world, random, device);
  else await world.sleep(NIGHT_MS);
}

/** Heals the world and waits until it is as promised; what is wrong then is a violation. */
export async function settle(world: World, checker: Checker): Promise<void> {
  if (!(await calm(world, checker))) return;
  await world.run(QUIET_MS);
  for (const each of await ask(world, checker)) world.violate(each);
}

async function calm(world: World, checker: Checker): Promise<boolean> {
  world.heal();
  let found: string[] = [];
  for (let waited = 0; waited < PATIENCE_MS; waited += 5_000) {
    await world.run(5_000);
    world.heal();
    found = await ask(world, checker);
    // What went wrong already does not come right, and the end of it tells more of the cause.
    if (world.violations.length > 0) break;
    if (found.length === 0) return true;
  }
  for (const each of found) world.violate(each);
  return false;
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
