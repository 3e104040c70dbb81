import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { inRoot, say } from "./paths.mjs";

const PACKAGE = inRoot("node_modules", "electron");
/** Where the package's own downloader looks, unless a mirror is set. */
const RELEASES = "https://github.com/electron/electron/releases/download/";
const REACH_MS = 5_000;
/** For about 120 MB. */
const DOWNLOAD_MS = 300_000;

function findBinary() {
  const nameFile = join(PACKAGE, "path.txt");
  const name = existsSync(nameFile) ? readFileSync(nameFile, "utf8") : "electron";
  const file = join(process.env.ELECTRON_OVERRIDE_DIST_PATH ?? join(PACKAGE, "dist"), name);
  return existsSync(file) ? file : null;
}

/** Asked first, so that a machine without the network does not wait for the downloader's retries. */
async function canDownload() {
  const { ELECTRON_MIRROR, ELECTRON_SKIP_BINARY_DOWNLOAD, ELECTRON_GET_USE_PROXY } = process.env;
  if (ELECTRON_SKIP_BINARY_DOWNLOAD) return false;
  // Node's fetch does not know the proxy that the downloader would use.
  if (ELECTRON_GET_USE_PROXY) return true;
  const mirror = ELECTRON_MIRROR ?? process.env.npm_config_electron_mirror ?? RELEASES;
  try {
    await fetch(mirror, { method: "HEAD", signal: AbortSignal.timeout(REACH_MS) });
    return true;
  } catch {
    return false;
  }
}

async function download() {
  if (!(await canDownload())) return;
  say("Downloading Electron (about 120 MB, once) …");
  const child = spawn(process.execPath, [join(PACKAGE, "install.js")], {
    stdio: "ignore",
    timeout: DOWNLOAD_MS,
  });
  await once(child, "exit");
}

export function hasDisplay() {
  const { DISPLAY, WAYLAND_DISPLAY } = process.env;
  return process.platform !== "linux" || Boolean(DISPLAY || WAYLAND_DISPLAY);
}

/** Electron's executable, or in words why the app cannot be opened with it. */
export async function obtainElectron() {
  if (!hasDisplay()) {
    const missing = findBinary() ? "" : "Electron's binary is missing, and ";
    return { problem: `${missing}there is no display to show a window on` };
  }
  if (!findBinary()) await download();
  const binary = findBinary();
  if (!binary) return { problem: "Electron's binary is missing and could not be downloaded" };
  if (process.platform === "linux" && process.getuid() === 0) {
    return { problem: "Electron's sandbox does not run as root" };
  }
  return { binary };
}
