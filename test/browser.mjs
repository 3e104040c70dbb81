import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

const NAMES = ["chromium", "chromium-browser", "google-chrome"];

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The path of a Chromium to test with: `DOVETAIL_CHROMIUM`, or the first on PATH; null if none. */
export function findBrowser() {
  const { DOVETAIL_CHROMIUM, PATH = "" } = process.env;
  if (DOVETAIL_CHROMIUM) return DOVETAIL_CHROMIUM;
  const candidates = NAMES.flatMap((name) => PATH.split(delimiter).map((at) => join(at, name)));
  return candidates.find(isExecutable) ?? null;
}
