import { spawn } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:os";
import { createInterface } from "node:readline";
import { inRoot, root } from "./paths.mjs";

const FORWARDED = ["SIGINT", "SIGTERM", "SIGHUP"];
/** A relay drains for a few seconds at the most before it goes. */
const STOP_MS = 10_000;
const RUN = inRoot("electron", "launch", "run.mjs");

/** As a shell reports it. */
const exitCodeOf = (code, signal) => code ?? 128 + (constants.signals[signal] ?? 0);

/** Runs to the end with this process's streams, passing on signals, and gives the exit code. */
export async function runChild(file, args, options = {}) {
  const child = spawn(file, args, { cwd: root, stdio: "inherit", ...options });
  const forward = (signal) => child.kill(signal);
  for (const signal of FORWARDED) process.on(signal, forward);
  try {
    const [code, signal] = await once(child, "exit");
    return exitCodeOf(code, signal);
  } finally {
    for (const signal of FORWARDED) process.off(signal, forward);
  }
}

/** Another command of the launcher, which ends when this process does, however that happens. */
export function startCommand(command, args, stdio = ["ignore", "pipe", "inherit"]) {
  return spawn(process.execPath, [RUN, command, ...args], {
    cwd: root,
    stdio,
    env: { ...process.env, DOVETAIL_PARENT: String(process.pid) },
  });
}

/** The first line of a child's stdout that is this event, or an error when the child ends first. */
export async function readEvent(child, event) {
  for await (const line of createInterface({ input: child.stdout })) {
    const said = JSON.parse(line);
    if (said.event !== event) continue;
    // Nobody reads on, and a full pipe would stop the child.
    child.stdout.resume();
    return said;
  }
  const [code] = child.exitCode === null ? await once(child, "exit") : [child.exitCode];
  throw new Error(`${child.spawnargs[2]} ended before it was ready (exit code ${code}).`);
}

/** Asks a child to stop, and makes it stop when it has not in time. */
export async function stopChild(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const impatience = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
  child.kill("SIGTERM");
  await once(child, "exit");
  clearTimeout(impatience);
}

/** Resolves when the person, or the system, asks this process to end. */
export const askedToStop = () =>
  new Promise((resolve) => {
    for (const signal of FORWARDED) process.once(signal, resolve);
  });

export const ended = (child) =>
  child.exitCode === null && child.signalCode === null ? once(child, "exit") : Promise.resolve();
