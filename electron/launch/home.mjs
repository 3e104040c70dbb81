import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** Where `npm start` keeps the relay's data and the profile: the system's place for such things. */
export function homeFolder() {
  const { DOVETAIL_HOME, XDG_DATA_HOME, APPDATA } = process.env;
  const folder =
    DOVETAIL_HOME ??
    {
      darwin: join(homedir(), "Library", "Application Support", "Dovetail"),
      win32: join(APPDATA ?? homedir(), "Dovetail"),
    }[process.platform] ??
    join(XDG_DATA_HOME || join(homedir(), ".local", "share"), "dovetail");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return folder;
}

/** Null when the file is missing or was cut short: it holds nothing that cannot be found out anew. */
export function readState(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    if (error.code === "ENOENT" || error instanceof SyntaxError) return null;
    throw error;
  }
}

export function writeState(file, state) {
  writeFileSync(`${file}.new`, JSON.stringify(state), { mode: 0o600 });
  renameSync(`${file}.new`, file);
}
