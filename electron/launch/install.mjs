import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { withLock } from "./lock.mjs";
import { inRoot, root, say } from "./paths.mjs";

/** In `dist`, because `npm ci` empties `node_modules`. */
const LOCK = inRoot("dist", ".install.lock");

function readPackages(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8")).packages;
  } catch (error) {
    if (error.code === "ENOENT" || error instanceof SyntaxError) return null;
    throw error;
  }
}

/** Whether node_modules holds what package-lock.json names; npm notes there what it installed. */
function isInstalled() {
  const wanted = readPackages(inRoot("package-lock.json"));
  const present = readPackages(inRoot("node_modules", ".package-lock.json"));
  if (!wanted || !present) return false;
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === "") return true;
    // An optional package is missing where it is meant for another platform.
    const installed = present[path];
    return installed ? installed.version === entry.version : entry.optional === true;
  });
}

async function npmCi() {
  say("Installing dependencies …");
  // Under `npm run -s` the log level is inherited, and a failure would be silent.
  const flags = ["ci", "--include=dev", "--loglevel=error"];
  const npm = process.env.npm_execpath;
  const options = { cwd: root, stdio: ["ignore", 2, 2] };
  const child = npm?.endsWith(".js")
    ? spawn(process.execPath, [npm, ...flags], options)
    : spawn("npm", flags, { ...options, shell: process.platform === "win32" });
  const [code, signal] = await once(child, "exit");
  if (code !== 0) throw new Error(`npm ci failed (${signal ?? `exit code ${code}`}).`);
}

export async function ensureInstalled() {
  if (isInstalled()) return;
  await withLock(LOCK, async () => {
    if (!isInstalled()) await npmCi();
  });
}
