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

/**
 * The file below `root` that the path of a page's URL names; null for anything that would leave it,
 * and for kinds of files that a page does not consist of.
 */
export function fileFor(root: string, pathname: string): string | null {
  let path: string;
  try {
    path = decodeURIComponent(pathname);
  } catch {
    return null;
  }
  if (!path.startsWith("/") || path.includes("\0") || path.includes("\\")) return null;
  const file = normalize(join(root, path === "/" ? "index.html" : path));
  return file.startsWith(root + sep) && types[extname(file)] ? file : null;
}

/** The type of a file that {@link fileFor} gave. */
export const contentTypeOf = (file: string): string =>
  types[extname(file)] ?? "application/octet-stream";
