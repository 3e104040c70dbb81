import { familyOf } from "../sim/family.js";
import { play } from "../sim/scenario.js";

const first = Number(process.argv[2] ?? 1),
  n = Number(process.argv[3] ?? 60);
let last = 0,
  ops = 0,
  ev = 0;
const t0 = process.cpuUsage();
for (let s = first; s < first + n; s++) {
  const { world, operations } = await play(
    { ...familyOf(s), silent: true },
    { steps: Number(process.env.STEPS ?? 120), faultPercent: Number(process.env.FP ?? 25) },
  );
  if (world.violations.length) console.log("VIOLATION", s, world.violations[0]);
  ops += operations;
  ev += world.time.events;
  if (process.env.V)
    console.log(
      s,
      operations,
      world.time.events,
      world.network.directMessages,
      world.devices.length,
      Math.round(process.cpuUsage(t0).user / 1000 - last),
    );
  last = process.cpuUsage(t0).user / 1000;
}
const c = process.cpuUsage(t0);
const cpu = (c.user + c.system) / 1e6;
console.log({
  n,
  ops,
  ev,
  cpu,
  opsPerCpuS: Math.round(ops / cpu),
  evPerCpuS: Math.round(ev / cpu),
});
console.log((globalThis as any).C);
