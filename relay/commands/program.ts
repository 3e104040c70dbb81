/** What the commands that talk to a relay have in common; `start` reads its options by itself. */
import { Command, CommanderError } from "commander";
import { DovetailError } from "../../shared/errors.js";
import { OptionsError, readOptions } from "../options.js";
import { FAILED, OK, WRONG_OPTION } from "./exit-codes.js";

interface DataOptions {
  readonly data?: string;
  readonly config?: string;
}

/** With `--data` and `--config`; what it does is given to it as its action. */
export function program(name: string, description: string): Command {
  return new Command(`dovetail-relay ${name}`)
    .description(description)
    .exitOverride()
    .configureOutput({ writeErr: () => {} })
    .allowExcessArguments(false)
    .option("--data <folder>", "folder of the relay's database (default: as for start)")
    .option("--config <file>", "JSON file with the options that the relay is started with");
}

/** The folder that `start` would use with these options and this environment. */
export function dataFolder({ data, config }: DataOptions): string {
  const args = Object.entries({ "--config": config, "--data": data }).flatMap(([flag, value]) =>
    value === undefined ? [] : [flag, value],
  );
  const options = readOptions(args, process.env, () => {});
  if (!options) throw new OptionsError("The folder of the relay's data is not known.");
  return options.data;
}

/** Runs the program's action, and says on stderr why it failed. */
export async function runProgram(command: Command, args: readonly string[]): Promise<number> {
  try {
    await command.parseAsync(args, { from: "user" });
    return OK;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return OK;
    const wrong = error instanceof CommanderError || error instanceof OptionsError;
    if (!wrong && !(error instanceof DovetailError)) throw error;
    if (error instanceof CommanderError && error.code === "commander.help") {
      process.stderr.write(command.helpInformation());
      return WRONG_OPTION;
    }
    const message = error.message.replace(/^error: /, "");
    process.stderr.write(`${message}\n${wrong ? "See --help for what there is.\n" : ""}`);
    return wrong ? WRONG_OPTION : FAILED;
  }
}
