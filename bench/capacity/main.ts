/** `npm run simulate`: what the relay needs for so many people, each number with its formula. */
import { parseArgs } from "node:util";
import type { Habits } from "./model.js";
import { habits as assumed, reportCapacity } from "./report.js";

const options = Object.fromEntries(
  Object.keys(assumed).map((name) => [name, { type: "string" as const }]),
);

function chosen(args: readonly string[]): Habits {
  const { values } = parseArgs({ args: [...args], options });
  const habits: Record<string, number> = { ...assumed };
  for (const [name, text] of Object.entries(values)) {
    const value = Number(text);
    if (!Number.isFinite(value) || value < 0) throw new Error(`--${name} ${text} is no number`);
    habits[name] = value;
  }
  return habits as unknown as Habits;
}

try {
  process.stdout.write(reportCapacity(chosen(process.argv.slice(2))));
} catch (error) {
  process.stderr.write(`npm run simulate: ${(error as Error).message}\n`);
  process.exitCode = 2;
}
