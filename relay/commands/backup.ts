import { backupOf, writeBackup } from "../backup/write.js";
import { dataFolder, program, runProgram } from "./program.js";
import { moment } from "./table.js";

interface Options {
  readonly data?: string;
  readonly config?: string;
  readonly to: string;
}

/** Writes the data into one file, of one moment, and says what is in it. */
export function backup(args: readonly string[]): Promise<number> {
  const root = program(
    "backup",
    "Writes a relay's embedded store into one file, also while the relay runs.",
  ).requiredOption("--to <file>", "a new file");
  root.action(async () => {
    const options: Options = root.opts();
    const { header, rows } = await writeBackup(backupOf(dataFolder(options), Date.now), options.to);
    const { relay, at } = header;
    process.stdout.write(`${options.to} has ${rows} rows of ${relay}, as of ${moment(at)}.\n`);
  });
  return runProgram(root, args);
}
