/** The never-shown window, as the WindowTransport needs it. */
import { app, BrowserWindow, MessageChannelMain } from "electron";
import { DIRECT_PORT } from "../direct/port-name.js";
import type { OpenDirectWindow } from "../direct/window-transport.js";
import { appUrl } from "./scheme.js";
import { securePreferences } from "./secure-preferences.js";

/**
 * Chromium would put names in the place of local addresses, which only multicast DNS resolves: many
 * networks carry none, and a headless host asks none. Whom a person connects to directly, and whether,
 * is settled before any address is gathered. Has to come before `app` is ready.
 */
export function offerLocalAddresses(): void {
  const given = app.commandLine.getSwitchValue("disable-features");
  const features = [...(given === "" ? [] : [given]), "WebRtcHideLocalIpsWithMdns"];
  app.commandLine.appendSwitch("disable-features", features.join(","));
}

export const directWindowOpener =
  (preload: string): OpenDirectWindow =>
  (events) => {
    const window = new BrowserWindow({
      show: false,
      skipTaskbar: true,
      focusable: false,
      webPreferences: {
        ...securePreferences(preload),
        // A page that nobody sees would otherwise be slowed down until its channels time out.
        backgroundThrottling: false,
      },
    });
    const { port1, port2 } = new MessageChannelMain();
    let over = false;
    const end = () => {
      over = true;
      port1.close();
      if (!window.isDestroyed()) window.destroy();
    };
    const gone = (reason: string) => {
      if (over) return;
      end();
      events.gone(reason);
    };
    port1.on("message", ({ data }) => {
      if (!over) events.message(data);
    });
    port1.start();
    window.webContents.once("did-finish-load", () => {
      window.webContents.postMessage(DIRECT_PORT, null, [port2]);
    });
    window.webContents.on("render-process-gone", (_event, { reason }) => gone(reason));
    window.on("unresponsive", () => gone("unresponsive"));
    window.on("closed", () => gone("closed"));
    window.loadURL(appUrl("direct", "window.html")).catch((error: unknown) => gone(String(error)));
    return {
      // What is posted before the page has the port waits in it.
      post: (message) => {
        if (!over) port1.postMessage(message);
      },
      close: end,
    };
  };
