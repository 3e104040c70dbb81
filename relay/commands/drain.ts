import { setTimeout as delay } from "node:timers/promises";
import { InvalidArgumentError } from "commander";
import { DovetailError } from "../../shared/errors.js";
import { askRelay } from "../admin/client.js";
import { dataFolder, program, runProgram } from "./program.js";

const WITHIN_S = 30;
const MAX_WITHIN_S = 3_600;

/** Milliseconds between two looks whether the relay has ended. */
const LOOK_MS = 200;
/** Milliseconds that it has beyond the time given, to end what was begun and to close its data. */
const END_MS = 60_000;

function seconds(text: string): number {
  const value = Number(text);
  if (/^\d{1,4}$/.test(text) && value <= MAX_WITHIN_S) return value;
  throw new InvalidArgumentError(`It is not a whole number from 0 to ${MAX_WITHIN_S}.`);
}

interface DrainOptions {
  readonly data?: string;
  readonly config?: string;
  readonly within: number;
  readonly json?: boolean;
}

/** Sends the clients of the relay on a folder of data away and waits until it has ended. */
export function drain(args: readonly string[]): Promise<number> {
  const command = program("drain", "Sends a running relay's clients away, and ends it.")
    .option("--within <seconds>", "the time over which they go", seconds, WITHIN_S)
    .option("--json", "what was done, as one line of JSON")
    .action(async ({ within, json, ...options }: DrainOptions) => {
      const data = dataFolder(options);
      const run = await startOf(data);
      const { connections } = await askRelay(data, "drain", { withinMs: within * 1_000 });
      const say = (text: string) => json || process.stdout.write(text);
      say(`Clients to be sent away within ${within} s: ${connections}.\n`);
      await ended(data, run, within * 1_000 + END_MS);
      say("The relay has ended.\n");
      if (json) process.stdout.write(`${JSON.stringify({ connections, ended: true })}\n`);
    });
  return runProgram(command, args);
}

/** When the relay that runs there was started; null where none does. A supervisor may start another at once. */
async function startOf(data: string): Promise<number | null> {
  try {
    const { nodes } = await askRelay(data, "status", {});
    return nodes[0]?.summary?.startedAt ?? null;
  } catch (error) {
    if (error instanceof DovetailError && error.code === "relay_unreachable") return null;
    throw error;
  }
}

/** One that stops says so until it has closed everything. */
async function isThere(data: string, run: number | null): Promise<boolean> {
  try {
    return (await startOf(data)) === run;
  } catch (error) {
    if (error instanceof DovetailError && error.code === "shutting_down") return true;
    throw error;
  }
}

async function ended(data: string, run: number | null, patienceMs: number): Promise<void> {
  const until = performance.now() + patienceMs;
  while (await isThere(data, run)) {
    if (performance.now() >= until) {
      throw new DovetailError(
        "timeout",
        "The relay has not ended yet; its log says what it waits for.",
      );
    }
    await delay(LOOK_MS);
  }
}
