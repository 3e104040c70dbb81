/** The `app:` scheme, from which both windows are served instead of from `file:`. */
import { readFile } from "node:fs/promises";
import { type CustomScheme, protocol } from "electron";
import { contentTypeOf, fileFor } from "../security/files.js";
import { pageHeaders } from "../security/headers.js";

const SCHEME = "app";

/** What stands behind a host of the scheme; each is an origin of its own. */
export type AppHost = "dovetail" | "direct";

export const appUrl = (host: AppHost, path = ""): string => `${SCHEME}://${host}/${path}`;

/** Whether a URL is of that host. `URL.origin` is "null" for schemes that Node does not know. */
export function isAppUrl(url: string, host: AppHost): boolean {
  if (!URL.canParse(url)) return false;
  const parsed = new URL(url);
  return parsed.protocol === `${SCHEME}:` && parsed.host === host;
}

const privileges: CustomScheme = {
  scheme: SCHEME,
  privileges: {
    standard: true,
    secure: true,
    supportFetchAPI: true,
    codeCache: true,
    stream: true,
  },
};

/** Has to come before `app` is ready. */
export const registerScheme = (): void => protocol.registerSchemesAsPrivileged([privileges]);

/** Serves each host's folder: to nobody but its own pages. */
export function serveScheme(folders: Readonly<Record<AppHost, string>>): void {
  const headers = pageHeaders([]);
  protocol.handle(SCHEME, async (request) => {
    const { host, pathname } = new URL(request.url);
    // Set by the browser process, and absent where it loads a page by itself.
    const { initiatorOrigin } = request as { initiatorOrigin?: string };
    const foreign = initiatorOrigin !== undefined && !isAppUrl(initiatorOrigin, host as AppHost);
    if (foreign || request.method !== "GET" || !Object.hasOwn(folders, host)) {
      return new Response(null, { status: 403, headers });
    }
    const file = fileFor(folders[host as AppHost], pathname);
    const body = file && (await readFile(file).catch(() => null));
    if (!file || !body) return new Response(null, { status: 404, headers });
    return new Response(new Uint8Array(body), {
      headers: { ...headers, "content-type": contentTypeOf(file) },
    });
  });
}
