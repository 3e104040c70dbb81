/** The desktop app on one profile, from opening it to its end. */
import { join, resolve } from "node:path";
import { app, dialog, powerMonitor, session } from "electron";
import { nodeClock } from "../../shared/node/runtime.js";
import type { Log } from "../../shared/runtime.js";
import type { Client } from "../client/index.js";
import { WindowTransport } from "../direct/window-transport.js";
import { openProfileClient } from "../node/profile.js";
import { directWindowOpener } from "./direct-window.js";
import { guardSession } from "./guard.js";
import { serveIpc } from "./ipc.js";
import { MainWindow } from "./main-window.js";
import { setMenu } from "./menu.js";
import { showNotification } from "./notifications.js";
import { Notifier } from "./notifier.js";
import { systemProtector } from "./safe-storage.js";
import { serveScheme } from "./scheme.js";
import type { SettingsFile } from "./settings-file.js";
import { followTheme } from "./theme.js";
import { openTray } from "./tray.js";

export interface DesktopOptions {
  readonly profile: string;
  readonly relayUrl: string;
  readonly deviceName: string;
  readonly settings: SettingsFile;
  /** Where this program was built to: `dist`. */
  readonly built: string;
  /** Where its pictures are. */
  readonly assets: string;
  readonly log: Log;
}

export interface Desktop {
  show(): void;
  /** Closes everything; afterwards the process may end. */
  close(): Promise<void>;
}

/** Has to be called after `app` is ready. @throws DovetailError as `openProfileClient` does. */
export async function openDesktop(options: DesktopOptions): Promise<Desktop> {
  const { built, assets, settings, log } = options;
  guardSession(session.defaultSession);
  serveScheme({ dovetail: resolve(built, "renderer"), direct: resolve(built, "direct") });
  setMenu();
  const { protector, unprotected } = await systemProtector();
  const openWindow = directWindowOpener(join(built, "electron", "direct-preload.cjs"));
  const direct = new WindowTransport(openWindow, nodeClock, log);
  let client: Client;
  try {
    client = await openProfileClient({ ...options, direct, protector });
  } catch (error) {
    direct.close();
    throw error;
  }
  serveIpc(client);
  await followTheme(client);

  let quitting = false;
  const tray = openTray(join(assets, "tray.png"), {
    open: () => window.show(),
    quit: () => app.quit(),
  });
  // On macOS an app without a window stays in the Dock.
  const staysOpen = tray !== null || process.platform === "darwin";
  const window = new MainWindow({
    preload: join(built, "electron", "preload.cjs"),
    icon: join(assets, "icon.png"),
    settings,
    keepOnClose: () => staysOpen && !quitting,
    closed: () => {
      if (!staysOpen) app.quit();
    },
  });
  client.subscribe((event) => window.send(event));
  const notifier = new Notifier(client, {
    show: showNotification,
    openConversation: (conversationId) => window.openConversation(conversationId),
  });
  // No timer that waited while the machine slept would notice so soon that the connection is dead.
  const awake = (): void => void client.call("connection.retry", {}).catch(() => undefined);
  powerMonitor.on("resume", awake);
  window.show();
  if (unprotected) await tellUnprotected(settings, log);

  return {
    show: () => window.show(),
    async close() {
      quitting = true;
      await window.remember().catch((error: unknown) => {
        log.warn("the window's place was not kept", { error: String(error) });
      });
      powerMonitor.off("resume", awake);
      notifier.close();
      tray?.destroy();
      await client.close();
      direct.close();
    },
  };
}

/** Once: it is true of the system, and nothing that the person could do about it in Dovetail. */
async function tellUnprotected(settings: SettingsFile, log: Log): Promise<void> {
  log.warn("this system keeps no secrets: the device key lies in the profile folder as it is");
  if (settings.value.toldUnprotected) return;
  await settings.change({ toldUnprotected: true });
  // Not awaited: the app is usable while it stands there.
  void dialog.showMessageBox({
    type: "warning",
    message: "Your device key is not protected by a password",
    detail:
      "Dovetail found no key store (such as GNOME Keyring or KWallet) on this computer. Other programs that you run can read the key with which this device proves who it is.",
  });
}
