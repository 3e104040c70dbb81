/** Makes a failing world smaller for as long as it fails in the same way. */
import { type Knobs, type Outcome, play } from "../sim/scenario.js";
import type { WorldOptions } from "../sim/world.js";

/** Worlds that may be tried. */
const MAX_TRIES = 400;

/** A violation without what differs from world to world: which text, place, device and id. */
export const kindOf = (violation: string): string =>
  violation
    .replace(/\b(alice|bob|carol)(-\d+)?\b/g, "somebody")
    .replace(/\S*\d\S*/g, "#")
    .replace(/… .* …/g, "…");

interface Scenario {
  readonly options: WorldOptions;
  readonly knobs: Knobs;
}

interface Smallest extends Scenario {
  readonly outcome: Outcome;
}

export async function shrink(options: WorldOptions, knobs: Knobs): Promise<Smallest | null> {
  const first = await play(options, knobs);
  const [violation] = first.world.violations;
  if (!violation) return null;
  const kind = kindOf(violation);
  let smallest: Smallest = { options, knobs, outcome: first };
  let tries = 0;

  const failsToo = async (scenario: Scenario): Promise<boolean> => {
    if (tries++ >= MAX_TRIES) return false;
    const outcome = await play(scenario.options, scenario.knobs);
    if (!outcome.world.violations.some((each) => kindOf(each) === kind)) return false;
    smallest = { ...scenario, outcome };
    return true;
  };

  const { handles } = options;
  if (handles.length > 2)
    await failsToo({ options: { ...options, handles: handles.slice(0, 2) }, knobs });
  if (options.severalDevices) {
    await failsToo({ options: { ...smallest.options, severalDevices: false }, knobs });
  }
  // Ever smaller pieces of what is left are taken out (Zeller's delta debugging, without its bookkeeping).
  const left = () =>
    Array.from({ length: knobs.steps }, (_, step) => step).filter(
      (step) => !smallest.knobs.without?.has(step),
    );
  for (
    let size = Math.ceil(knobs.steps / 2);
    size >= 1;
    size = size === 1 ? 0 : Math.ceil(size / 2)
  ) {
    const steps = left();
    for (let at = steps.length; at > 0; at -= size) {
      const without = new Set(smallest.knobs.without);
      for (const step of steps.slice(Math.max(0, at - size), at)) without.add(step);
      await failsToo({ options: smallest.options, knobs: { ...smallest.knobs, without } });
    }
  }
  return smallest;
}
