/**
 * `npm run test:soak`: simulated worlds on all cores for as long as one has time. What fails is
 * played again by its seed, and made smaller.
 */
import { availableParallelism } from "node:os";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { Command, InvalidArgumentError } from "commander";
import { KNOBS } from "../sim/scenario.js";
import { replay, reportSmallest } from "./replay.js";
import { add, emptyTally, table } from "./tally.js";
import { playSeeds, type WorkerReport, type WorkerTask } from "./worker.js";

const TABLE_EVERY_MS = 30_000;
/** Nearly all that a world allocates is soon garbage: collecting it rarely saves a tenth of the time. */
const YOUNG_GENERATION_MB = 64;

const number = (least: number) => (text: string) => {
  const value = Number(text);
  if (!(value >= least)) throw new InvalidArgumentError(`A number from ${least} on.`);
  return value;
};

/** Until the time is over, somebody interrupts or a world fails; answers that world's seed. */
async function soak(
  minutes: number,
  jobs: number,
  from: number,
  steps: number,
): Promise<number | null> {
  const total = emptyTally();
  const start = performance.now();
  const print = () => console.log(`${table(total, (performance.now() - start) / 1_000)}\n`);
  const workers: Worker[] = [];
  const tables = setInterval(print, TABLE_EVERY_MS);
  let end: NodeJS.Timeout | undefined;
  let failed: number | null = null;
  try {
    await new Promise<void>((resolve, reject) => {
      end = setTimeout(resolve, minutes * 60_000);
      for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve());
      for (let i = 0; i < jobs; i++) {
        const task: WorkerTask = { first: from + i, stride: jobs, steps };
        const worker = new Worker(new URL(import.meta.url), {
          workerData: task,
          resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
        });
        workers.push(worker);
        worker.on("error", reject);
        worker.on("message", ({ seed, tally, violation }: WorkerReport) => {
          add(total, tally);
          if (violation === null) return;
          console.log(`seed ${seed}: ${violation}\n`);
          failed ??= seed;
          resolve();
        });
      }
    });
  } finally {
    clearInterval(tables);
    clearTimeout(end);
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
  print();
  return failed;
}

async function main(): Promise<void> {
  const { minutes, seed, jobs, from, steps } = new Command("test:soak")
    .description("Simulated worlds under faults, and the question whether each kept its promises.")
    .option("--minutes <number>", "for how long", number(0), 5)
    .option("--jobs <number>", "threads", number(1), availableParallelism())
    .option("--from <seed>", "the first seed", number(0), 1)
    .option("--steps <number>", "things that happen in a world", number(1), KNOBS.steps)
    .option("--seed <number>", "plays this one world, and prints its trace", number(0))
    .parse()
    .opts<{ minutes: number; jobs: number; from: number; steps: number; seed?: number }>();
  if (seed !== undefined) {
    process.exitCode = (await replay(seed, steps)) ? 1 : 0;
    return;
  }
  const failed = await soak(minutes, jobs, from, steps);
  if (failed === null) return;
  process.exitCode = 1;
  await reportSmallest(failed, steps);
}

if (isMainThread) await main();
else if (parentPort) await playSeeds(workerData as WorkerTask, parentPort);
