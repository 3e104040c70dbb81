import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { sep } from "node:path";
import { contentTypeOf, fileFor } from "../security/files.js";

/** Serves one file, or says that there is none. */
export async function serveFile(
  root: string,
  pathname: string,
  response: ServerResponse,
): Promise<void> {
  const file = fileFor(root, pathname);
  const found = file === null ? null : await stat(file).catch(() => null);
  if (file === null || !found?.isFile()) {
    response.writeHead(404, { "content-type": "text/plain" }).end("There is no such file.\n");
    return;
  }
  response.writeHead(200, {
    "content-type": contentTypeOf(file),
    "content-length": found.size,
    // The page itself changes with every version; what it loads has its version in its name.
    "cache-control": file.includes(`${sep}assets${sep}`)
      ? "max-age=31536000, immutable"
      : "no-store",
  });
  createReadStream(file).pipe(response);
}
