import { restoreBackup } from "../backup/write.js";
import { dataFolder, program, runProgram } from "./program.js";
import { moment } from "./table.js";

interface Options {
  readonly data?: string;
  readonly config?: string;
  readonly from: string;
}

/** Makes data of a backup, in a folder where none are. */
export function restore(args: readonly string[]): Promise<number> {
  const root = program(
    "restore",
    "Makes a relay's data from a backup, in a folder that is empty or not there yet.",
  ).requiredOption("--from <file>", "what `backup` has written");
  root.action(async () => {
    const options: Options = root.opts();
    const data = dataFolder(options);
    const { header, rows } = await restoreBackup(options.from, data);
    const { relay, at } = header;
    process.stdout.write(`${data} has ${rows} rows of ${relay}, as of ${moment(at)}.\n`);
  });
  return runProgram(root, args);
}
