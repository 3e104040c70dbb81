import { open, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { DovetailError } from "../../shared/errors.js";

/** What a failed write means to the person whose disk it is. */
export function writeError(path: string, cause: unknown): DovetailError {
  const { code } = cause as NodeJS.ErrnoException;
  return code === "ENOSPC" || code === "EDQUOT"
    ? new DovetailError("disk_full", `The disk that holds ${path} is full.`, { cause })
    : new DovetailError("storage_failed", `${path} cannot be written.`, { cause });
}

/**
 * Replaces a file so that after a crash or a power loss it is the old one or the new one, whole.
 * Readable for its owner alone. @throws DovetailError `disk_full`, `storage_failed`.
 */
export async function writeWhole(path: string, content: Uint8Array | string): Promise<void> {
  await replace(path, content).catch((cause: unknown) => {
    throw writeError(path, cause);
  });
}

async function replace(path: string, content: Uint8Array | string): Promise<void> {
  const fresh = `${path}.new`;
  const file = await open(fresh, "w", 0o600);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(fresh, path);
  // The name is durable only when the folder is; Windows has no such call and needs none.
  if (process.platform === "win32") return;
  const folder = await open(dirname(path), "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
