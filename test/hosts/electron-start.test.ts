/** The desktop app's start, life and end, put together for real around a stand-in for Electron. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { fileModeProtector } from "../../electron/node/device-keys.js";
import { openProfileClient } from "../../electron/node/profile.js";
import { handler } from "./electron-double.js";
import * as double from "./electron-start-double.js";
import { silentLog, temporaryFolder } from "./helpers.js";

vi.mock("electron", () => double.electron);

/** Nobody listens on the discard port: the app starts all the same. */
const NO_RELAY = "ws://127.0.0.1:9";
const argv = process.argv;

beforeEach(() => {
  double.dialog.showErrorBox.mockClear();
  double.dialog.showMessageBox.mockClear();
  Object.assign(double.world, { onlyInstance: true, keyStore: true });
  vi.spyOn(process.stderr, "write").mockReturnValue(true);
});
afterEach(() => {
  process.argv = argv;
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) process.removeAllListeners(signal);
  vi.restoreAllMocks();
});

/** Gives the code with which the app will have ended. */
async function start(profile: string, relay: string[] = ["--relay", NO_RELAY]) {
  double.reset();
  vi.resetModules();
  const ended = double.ending();
  process.argv = ["/opt/dovetail", "--profile", profile, ...relay];
  await import("../../electron/main.js");
  return { ended };
}

const shown = () =>
  vi.waitFor(() => {
    const window = double.windowAt("app://dovetail/");
    expect(window.shown).toBe(true);
    return window;
  });

const openElsewhere = (profile: string) =>
  openProfileClient({
    profile,
    relayUrl: NO_RELAY,
    deviceName: "another",
    direct: { available: false, open: () => Promise.reject() as never },
    protector: fileModeProtector,
    log: silentLog,
  });

test("starts guarded, answers the renderer, and leaves the profile free when it quits", async () => {
  const profile = await temporaryFolder();
  const { ended } = await start(profile);
  const window = await shown();
  // What comes too late when it comes after `ready` has come before it.
  expect(double.story.slice(0, 3)).toEqual(["path userData", "sandbox", "ready"]);
  expect(double.windowAt("app://direct/window.html").shown).toBe(false);

  const renderer = { senderFrame: { url: "app://dovetail/", parent: null } };
  const reply = await handler("ipc dovetail:call")(renderer, "settings.set", { theme: "dark" });
  expect(reply).toMatchObject({ ok: true, result: { theme: "dark" } });
  expect(window.sent).toContainEqual([
    "dovetail:event",
    expect.objectContaining({ event: "settings.changed" }),
  ]);
  expect(double.nativeTheme.themeSource).toBe("dark");

  await expect(openElsewhere(profile)).rejects.toMatchObject({ code: "profile_in_use" });
  double.app.quit();
  expect(await ended).toBe(0);
  expect(double.windowAt("app://direct/window.html").destroyed).toBe(true);
  const other = await openElsewhere(profile);
  expect(await other.call("settings.get", {})).toMatchObject({ theme: "dark" });
  await other.close();
});

test("closing the window hides it where there is a tray, and the second start shows it", async () => {
  vi.stubEnv("XDG_CURRENT_DESKTOP", "KDE");
  const { ended } = await start(await temporaryFolder());
  const window = await shown();
  let prevented = false;
  window.emit("close", {
    preventDefault: () => {
      prevented = true;
    },
  });
  expect([prevented, window.shown]).toEqual([true, false]);
  double.app.emit("second-instance");
  await shown();
  double.app.quit();
  expect(await ended).toBe(0);
  vi.unstubAllEnvs();
});

test("when the machine has woken up it looks whether it is still connected, until it ends", async () => {
  const { ended } = await start(await temporaryFolder());
  await shown();
  // As the app has it, which was loaded anew.
  const { Client } = await import("../../electron/client/index.js");
  const call = vi.spyOn(Client.prototype, "call");
  double.powerMonitor.emit("resume");
  expect(call).toHaveBeenCalledWith("connection.retry", {});
  double.app.quit();
  expect(await ended).toBe(0);
  expect(double.powerMonitor.listenerCount("resume")).toBe(0);
});

test("a second instance ends without a window or a word", async () => {
  double.world.onlyInstance = false;
  const { ended } = await start(await temporaryFolder());
  expect(await ended).toBe(0);
  expect(double.story).toEqual(["path userData"]);
  expect(double.dialog.showErrorBox).not.toHaveBeenCalled();
});

test("remembers its relay, so that the next start needs no option", async () => {
  const profile = await temporaryFolder();
  for (const relay of [["--relay", NO_RELAY], []]) {
    const { ended } = await start(profile, relay);
    await shown();
    double.app.quit();
    expect(await ended).toBe(0);
  }
  expect(JSON.parse(await readFile(join(profile, "desktop.json"), "utf8"))).toMatchObject({
    relay: NO_RELAY,
  });
});

test.each<[string, string[], (profile: string) => Promise<unknown>, RegExp]>([
  ["no relay", [], async () => undefined, /relay/],
  ["a relay that is none", ["--relay", "http://x"], async () => undefined, /ws:\/\//],
  [
    "a damaged profile",
    ["--relay", NO_RELAY],
    (profile) => writeFile(join(profile, "profile.json"), "{"),
    /damaged/,
  ],
  [
    "a profile that is no folder's place",
    ["--relay", NO_RELAY],
    (profile) => mkdir(join(profile, "profile.json")),
    /cannot be read/,
  ],
])("%s: says so in a box, and ends with exit code 1", async (_what, relay, prepare, says) => {
  const profile = await temporaryFolder();
  await prepare(profile);
  const { ended } = await start(profile, relay);
  expect(await ended).toBe(1);
  expect(double.dialog.showErrorBox.mock.calls).toEqual([
    ["Dovetail cannot start", expect.stringMatching(says)],
  ]);
});

test("without a key store it says so, once for a profile", async () => {
  const profile = await temporaryFolder();
  double.world.keyStore = false;
  for (const _start of ["first", "second"]) {
    const { ended } = await start(profile);
    await shown();
    double.app.quit();
    expect(await ended).toBe(0);
  }
  expect(double.dialog.showMessageBox).toHaveBeenCalledTimes(1);
});
