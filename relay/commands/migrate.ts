import { DovetailError } from "../../shared/errors.js";
import type { Log } from "../../shared/runtime.js";
import { abandon, migrate as move } from "../migrate/migrate.js";
import { OptionsError, readOptions } from "../options.js";
import { dataFolder, program, runProgram } from "./program.js";

interface Options {
  readonly data?: string;
  readonly config?: string;
  readonly to?: string;
  readonly within: string;
  readonly abandon?: true;
}

/** Moves the embedded store into Cassandra, and ends the relay that runs on it. */
export function migrate(args: readonly string[]): Promise<number> {
  const root = program(
    "migrate",
    "Moves a relay's embedded store into Cassandra: copies while the relay runs, ends it, copies the rest.\nTakes the --cassandra-* options of start, also from the environment and the config file.",
  )
    .option("--to <store>", "cassandra")
    .option("--within <seconds>", "time over which the relay's clients are sent away", "10")
    .option("--abandon", "gives up what was not finished: the relay may start on its data again")
    .allowUnknownOption()
    .allowExcessArguments(true);
  root.action(async () => {
    const options: Options = root.opts();
    const data = dataFolder(options);
    if (options.abandon) {
      await abandon(data);
      return print("Given up. The keyspace in Cassandra can be dropped.");
    }
    if (options.to !== "cassandra") throw new OptionsError("Say --to cassandra.");
    if (!/^\d{1,4}$/.test(options.within)) {
      throw new OptionsError("--within is wrong: not a number of seconds");
    }
    const { cassandra } = startOptions(options, root.args);
    const drainMs = Number(options.within) * 1_000;
    const moved = await move({ data, cassandra, drainMs, tell: print }, silent);
    print(
      `${moved.users} users and ${moved.logs} logs with ${moved.entries} entries are in the keyspace ` +
        `${cassandra.keyspace} and were compared.\nStart the relay with --store cassandra now.`,
    );
  });
  return runProgram(root, args);
}

/** Those of `start` with that store, which checks them. */
function startOptions({ config }: Options, rest: readonly string[]) {
  const args = ["--store", "cassandra", ...(config === undefined ? [] : ["--config", config])];
  const options = readOptions([...args, ...rest], process.env, () => {});
  if (!options?.cassandra) throw new DovetailError("internal");
  return { cassandra: options.cassandra };
}

/** What goes wrong is thrown; the rest is of no interest here. */
const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };

const print = (text: string): void => void process.stdout.write(`${text}\n`);
