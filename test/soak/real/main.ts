/** `npm run test:soak -- --real`: the nemesis for as long as one has time. */
import { availableParallelism } from "node:os";
import { Command, InvalidArgumentError } from "commander";
import { type Outcome, run } from "./run.js";

/** Two hundred faults in twenty minutes would be one in six seconds. */
const EVERY_MS = 1_500;
/** A database node that begins anew takes a core for half a minute. */
const CLUSTER_EVERY_MS = Math.max(EVERY_MS, 6_000 / availableParallelism());

const number = (least: number) => (text: string) => {
  const value = Number(text);
  if (!(value >= least)) throw new InvalidArgumentError(`A number from ${least} on.`);
  return value;
};

const options = new Command("test:soak --real")
  .description("Real processes, a nemesis, and the question whether anything was lost.")
  .option("--minutes <number>", "how long people talk and suffer", number(0), 20)
  .option("--seed <number>", "what happens is drawn from it; not when", number(0))
  .option("--workers <number>", "processes of the relay", number(1), 1)
  .option("--cluster", "three relay nodes, three Cassandra nodes and three NATS servers")
  .option("--only <kinds>", "only these kinds of faults, separated by commas")
  .parse()
  .opts<{ minutes: number; seed?: number; workers: number; cluster?: boolean; only?: string }>();

function report(seed: number, outcome: Outcome): string[] {
  const {
    operations,
    unanswered,
    events,
    messages,
    received,
    direct,
    faults,
    crashes,
    struck,
    skipped,
    moves,
    disappeared,
  } = outcome;
  return [
    `operations   ${operations}, and ${unanswered} that a killed process left unanswered`,
    ...[...outcome.answered].sort().map(([what, count]) => `  ${what.padEnd(24)} ${count}`),
    `faults       ${faults}`,
    ...[...struck].sort().map(([kind, count]) => `  ${kind.padEnd(20)} ${count}`),
    ...[...moves].sort().map(([what, count]) => `  ${what.padEnd(20)} ${count}`),
    ...(crashes > 0 ? [`crashes      ${crashes} of devices, in WebRTC's library`] : []),
    ...skipped.map(({ kind, missing }) => `  ${kind.padEnd(20)} skipped: ${missing}`),
    `messages     ${messages}, which came to devices of others ${received} times, ${direct} of them directly`,
    `disappeared  ${disappeared}`,
    `events       ${events}`,
    `violations   ${outcome.violations.length}`,
    ...outcome.violations.map((violation) => `  ${violation}`),
    ...(outcome.folder ? [`kept         ${outcome.folder}`] : []),
    `seed         ${seed}`,
  ];
}

const seed = options.seed ?? Math.floor(Math.random() * 1e9);
// Namespaces and small disks outlive a process that just ends.
const early = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => early.abort());
const outcome = await run({
  seed,
  seconds: options.minutes * 60,
  everyMs: options.cluster ? CLUSTER_EVERY_MS : EVERY_MS,
  workers: options.workers,
  cluster: options.cluster ?? false,
  signal: early.signal,
  ...(options.only && { only: options.only.split(",") }),
  say: (line) => console.error(line),
});
console.log(report(seed, outcome).join("\n"));
process.exit(outcome.violations.length > 0 ? 1 : 0);
