/** The Electron host: one process per profile. */
import { mkdirSync } from "node:fs";
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import { app, dialog } from "electron";
import { DovetailError } from "../shared/errors.js";
import { type Desktop, openDesktop } from "./host/desktop.js";
import { offerLocalAddresses } from "./host/direct-window.js";
import { guardPages } from "./host/guard.js";
import { readOptions } from "./host/options.js";
import { registerScheme } from "./host/scheme.js";
import { SettingsFile } from "./host/settings-file.js";
import { stderrLog } from "./node/log.js";

const built = resolve(import.meta.dirname, "..");

function fail(error: unknown): void {
  const { message, code } = DovetailError.from(error);
  process.stderr.write(`Dovetail cannot start: ${message} (${code})\n`);
  dialog.showErrorBox("Dovetail cannot start", message);
  app.exit(1);
}

async function start(profile: string, wantedRelay: string | null): Promise<Desktop> {
  await app.whenReady();
  const settings = await SettingsFile.open(profile);
  const relayUrl = wantedRelay ?? settings.value.relay;
  if (!relayUrl) throw new Error("Say which relay to use: --relay wss://relay.example");
  if (relayUrl !== settings.value.relay) await settings.change({ relay: relayUrl });
  return openDesktop({
    profile,
    relayUrl,
    deviceName: hostname(),
    settings,
    built,
    assets: resolve(built, "../electron/assets"),
    log: stderrLog("warn"),
  });
}

/** Quitting is put off until everything is closed. */
function closeBeforeQuit(starting: Promise<Desktop>): void {
  let closing = false;
  app.on("before-quit", (event) => {
    event.preventDefault();
    if (closing) return;
    closing = true;
    starting
      .then((desktop) => desktop.close())
      .then(
        () => app.exit(0),
        () => app.exit(1),
      );
  });
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
    process.on(signal, () => app.quit());
  }
}

function main(): void {
  // Unpackaged, the first argument after the binary is the app's folder.
  const { profile: wanted, relay } = readOptions(
    process.argv.slice(app.isPackaged ? 1 : 2),
    process.env,
  );
  const profile = resolve(wanted ?? join(app.getPath("appData"), "Dovetail", "profile"));
  const chromium = join(profile, "chromium");
  mkdirSync(chromium, { recursive: true, mode: 0o700 });
  // Chromium's own files, and the lock that makes the app single on this profile.
  app.setPath("userData", chromium);
  if (!app.requestSingleInstanceLock()) {
    app.exit(0);
    return;
  }
  registerScheme();
  app.enableSandbox();
  guardPages();
  offerLocalAddresses();
  const starting = start(profile, relay);
  const show = () => {
    starting.then((desktop) => desktop.show()).catch(() => undefined);
  };
  app.on("second-instance", show);
  app.on("activate", show);
  closeBeforeQuit(starting);
  starting.catch(fail);
}

try {
  main();
} catch (error) {
  fail(error);
}
