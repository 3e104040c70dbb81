/** One world again, by its seed. */
import { familyOf } from "../sim/family.js";
import { KNOBS, play } from "../sim/scenario.js";
import { shrink } from "./shrink.js";

/** Lines of the trace that the smallest failing world is shown with. */
const SHOWN_LINES = 150;

/** Prints everything that happens; answers whether something went wrong. */
export async function replay(seed: number, steps: number): Promise<boolean> {
  const { world } = await play({ ...familyOf(seed), traced: console.log }, { ...KNOBS, steps });
  console.log(`\ntrace hash ${world.traceHash}, violations ${world.violations.length}`);
  for (const violation of world.violations) console.log(violation);
  if (world.violations.length === 0) return false;
  await reportSmallest(seed, steps);
  return true;
}

/** What is left of the world of a seed when everything is taken out that it does not need to fail. */
export async function reportSmallest(seed: number, steps: number): Promise<void> {
  console.log(`\nLooking for the smallest world of seed ${seed} that fails like it …`);
  const smallest = await shrink(familyOf(seed), { ...KNOBS, steps });
  if (!smallest) {
    console.log("It did not fail again: chance from outside its seed has got into it.");
    return;
  }
  const { options, knobs, outcome } = smallest;
  const { world, operations, struck } = outcome;
  const faults = [...struck].map(([kind, count]) => `${kind} ${count}`).join(", ") || "none";
  const left = knobs.steps - (knobs.without?.size ?? 0);
  console.log(`cause       ${world.violations[0]}`);
  console.log(`people      ${options.handles.join(", ")}`);
  console.log(`devices     ${options.severalDevices ? "several" : "one"} each`);
  console.log(`steps       ${left} of ${knobs.steps}`);
  console.log(`operations  ${operations}`);
  console.log(`faults      ${faults}`);
  const long = steps === KNOBS.steps ? "" : ` --steps ${steps}`;
  console.log(`replay      npm run test:soak -- --seed ${seed}${long}\n`);
  for (const line of world.trace.slice(-SHOWN_LINES)) console.log(line);
}
