import { createHash } from "node:crypto";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const NAME = "admin.sock";

/** Bytes of a socket's path: macOS has room for 104 and Linux for 108, each with a zero at the end. */
export const MAX_PATH_BYTES = 103;

/**
 * Where a relay on that folder is told what to do: in the folder itself, or where the path would be too
 * long in the temporary folder, by a name that both sides derive from the folder's.
 */
export function adminSocketPath(data: string): string {
  const folder = resolve(data);
  const hash = createHash("sha256").update(folder).digest("hex").slice(0, 32);
  if (process.platform === "win32") return `\\\\.\\pipe\\dovetail-relay-${hash}`;
  const path = join(folder, NAME);
  return Buffer.byteLength(path) <= MAX_PATH_BYTES
    ? path
    : join(tmpdir(), `dovetail-relay-${hash}.sock`);
}
