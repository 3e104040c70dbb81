import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { withLock } from "./lock.mjs";
import { inRoot, say } from "./paths.mjs";
import { stampOf } from "./stamp.mjs";
import { targets } from "./targets.mjs";

const LOCK = inRoot("dist", ".build.lock");
const stampFile = (name) => inRoot("dist", ".stamps", name);

const currentStamp = (name) =>
  stampOf(
    ["package-lock.json", "electron/launch", ...targets[name].sources].map((at) => inRoot(at)),
  );

function isFresh(name) {
  try {
    return readFileSync(stampFile(name), "utf8") === currentStamp(name);
  } catch (error) {
    if (error.code === "ENOENT") return false;
    throw error;
  }
}

/** Into a folder of its own first: what is in `dist/<name>` is always whole. */
async function buildTarget(name) {
  const { build, mergeConfig } = await import("vite");
  // Taken before building: a file saved meanwhile makes the result stale.
  const stamp = currentStamp(name);
  const fresh = inRoot("dist", `.new-${name}`);
  const old = inRoot("dist", `.old-${name}`);
  const place = inRoot("dist", name);
  for (const folder of [fresh, old, stampFile(name)])
    rmSync(folder, { recursive: true, force: true });
  const into = { logLevel: "warn", build: { outDir: fresh, emptyOutDir: false } };
  for (const config of targets[name].configs) await build(mergeConfig(config, into));
  try {
    renameSync(place, old);
  } catch (error) {
    if (error.code !== "ENOENT") throw error;
  }
  renameSync(fresh, place);
  rmSync(old, { recursive: true, force: true });
  mkdirSync(inRoot("dist", ".stamps"), { recursive: true });
  writeFileSync(stampFile(name), stamp);
}

/** Builds those of the named targets whose sources have changed since they were built. */
export async function ensureBuilt(names = Object.keys(targets)) {
  if (names.every(isFresh)) return;
  await withLock(LOCK, async () => {
    const stale = names.filter((name) => !isFresh(name));
    if (stale.length === 0) return;
    say(`Building ${stale.join(", ")} …`);
    for (const name of stale) await buildTarget(name);
  });
}
