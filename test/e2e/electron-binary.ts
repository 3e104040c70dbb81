import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const PACKAGE = "node_modules/electron";
const USUAL_NAME = "electron";

/** Where Electron's executable is, or null; looks only, and never downloads. */
export function electronBinary(): string | null {
  const nameFile = join(PACKAGE, "path.txt");
  const name = existsSync(nameFile) ? readFileSync(nameFile, "utf8") : USUAL_NAME;
  const folder = process.env.ELECTRON_OVERRIDE_DIST_PATH ?? join(PACKAGE, "dist");
  const file = join(folder, name);
  return existsSync(file) ? file : null;
}

/** Why the project `electron` cannot run here, in words; null when it can. */
export function whyNoElectron(): string | null {
  if (electronBinary() === null) return "Electron's binary is not installed";
  const { DISPLAY, WAYLAND_DISPLAY } = process.env;
  if (process.platform === "linux" && !DISPLAY && !WAYLAND_DISPLAY) return "there is no display";
  return null;
}
