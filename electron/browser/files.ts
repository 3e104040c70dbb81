import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { extname, join, normalize, sep } from "node:path";

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".woff2": "font/woff2",
  ".json": "application/json",
};

/** The file that a request's path names below `root`; null for anything that would leave it. */
export function fileFor(root: string, pathname: string): string | null {
  let path: string;
  try {
    path = decodeURIComponent(pathname);
  } catch {
    return null;
  }
  if (path.includes("\0") || path.includes("\\")) return null;
  const file = normalize(join(root, path === "/" ? "index.html" : path));
  return file.startsWith(root + sep) && types[extname(file)] ? file : null;
}

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
    "content-type": types[extname(file)],
    "content-length": found.size,
    // The page itself changes with every version; what it loads has its version in its name.
    "cache-control": file.includes(`${sep}assets${sep}`)
      ? "max-age=31536000, immutable"
      : "no-store",
  });
  createReadStream(file).pipe(response);
}
