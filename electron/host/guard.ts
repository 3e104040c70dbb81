/** What no page may do, whatever it runs. */
import { app, type Session, shell, type WebContents } from "electron";
import { type AppHost, appUrl, isAppUrl } from "./scheme.js";

/**
 * Everything else is refused. Chromium asks before a page reaches into the local network, and
 * WebRTC between two devices of one network does just that.
 */
const permissions: Readonly<Record<AppHost, readonly string[]>> = {
  dovetail: ["notifications", "clipboard-sanitized-write"],
  direct: ["local-network-access", "local-network", "loopback-network"],
};

/** Whether a page at that address, or of that origin, has that permission. */
export const isPermitted = (url: string, permission: string): boolean =>
  (Object.keys(permissions) as AppHost[]).some(
    (host) => isAppUrl(url, host) && permissions[host].includes(permission),
  );

/** Opens a link in the person's own browser, if a browser is what it is for. */
function openOutside(url: string): void {
  const protocol = URL.canParse(url) ? new URL(url).protocol : null;
  if (protocol === "https:" || protocol === "http:") void shell.openExternal(url);
}

/** Has to come before any page is made. */
export function guardPages(): void {
  app.on("web-contents-created", (_event, contents: WebContents) => {
    contents.setWindowOpenHandler(({ url }) => {
      // The page that talks to other devices has no reason to show anything to anybody.
      if (isAppUrl(contents.getURL(), "dovetail")) openOutside(url);
      return { action: "deny" };
    });
    contents.on("will-frame-navigate", (event) => {
      // A page may load itself anew.
      if (!event.isMainFrame || event.url !== contents.getURL()) event.preventDefault();
    });
    contents.on("will-redirect", (event) => event.preventDefault());
    contents.on("will-attach-webview", (event) => event.preventDefault());
  });
}

export function guardSession(session: Session): void {
  session.setPermissionRequestHandler((_contents, permission, allow, { requestingUrl }) => {
    allow(isPermitted(requestingUrl, permission));
  });
  session.setPermissionCheckHandler((_contents, permission, origin) =>
    isPermitted(origin, permission),
  );
  session.setDevicePermissionHandler(() => false);
  session.setDisplayMediaRequestHandler((_request, give) => give({}));
  // The app's own pages make no requests but to the app, and nothing else is to be fetched.
  session.webRequest.onBeforeRequest((details, decide) => {
    decide({ cancel: !details.url.startsWith(appUrl("dovetail")) && !isOwn(details.url) });
  });
  session.on("will-download", (event) => event.preventDefault());
}

const isOwn = (url: string): boolean =>
  isAppUrl(url, "direct") || /^(?:blob|data|devtools|chrome-extension):/.test(url);
