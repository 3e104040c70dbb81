import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The checkout. */
export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
export const inRoot = (...parts) => join(root, ...parts);

/** Everything the launcher says goes to stderr: a command's stdout belongs to the command. */
export const say = (line) => process.stderr.write(`${line}\n`);
