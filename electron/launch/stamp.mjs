import { createHash } from "node:crypto";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";

function collect(path, found) {
  const entry = statSync(path, { throwIfNoEntry: false });
  if (entry?.isDirectory()) {
    for (const name of readdirSync(path).sort()) collect(join(path, name), found);
  } else if (entry) {
    found.push(`${path}\0${entry.size}\0${entry.mtimeMs}`);
  }
}

/** Changes whenever a file below one of the paths does; reads no contents, so it takes milliseconds. */
export function stampOf(paths) {
  const found = [];
  for (const path of paths) collect(path, found);
  return createHash("sha256").update(found.join("\n")).digest("hex");
}
