import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { readOptions } from "../../electron/host/options.js";
import { SettingsFile } from "../../electron/host/settings-file.js";
import { temporaryFolder } from "./helpers.js";

vi.mock("electron", () => import("./electron-double.js"));
const { hasTray } = await import("../../electron/host/tray.js");

test("flags win over the environment, and nothing is nothing", () => {
  const env = { DOVETAIL_PROFILE: "/env", DOVETAIL_RELAY: "wss://env.example" };
  expect(readOptions([], {})).toEqual({ profile: null, relay: null });
  expect(readOptions([], env)).toEqual({ profile: "/env", relay: "wss://env.example" });
  expect(readOptions(["--profile", "/a", "--relay=ws://b:1"], env)).toEqual({
    profile: "/a",
    relay: "ws://b:1",
  });
});

test("Chromium's own switches and the app's folder are passed over", () => {
  const args = [
    "--no-sandbox",
    "--inspect=0",
    "/app",
    "--profile",
    "/a",
    "--remote-debugging-port=0",
  ];
  expect(readOptions(args, {})).toEqual({ profile: "/a", relay: null });
});

test.each(["https://relay.example", "relay.example", "ws:"])(
  "an address that is no relay's is refused in words: %s",
  (relay) => {
    expect(() => readOptions(["--relay", relay], {})).toThrow(/starts with ws:\/\/ or wss:\/\//);
    expect(() => readOptions([], { DOVETAIL_RELAY: relay })).toThrow(RangeError);
  },
);

test("what is remembered is there the next time, with what was remembered before", async () => {
  const profile = await temporaryFolder();
  const bounds = { x: -100, y: 0, width: 800, height: 600 };
  const first = await SettingsFile.open(profile);
  await Promise.all([
    first.change({ relay: "wss://relay.example" }),
    first.change({ bounds, maximized: true }),
    first.change({ maximized: false }),
  ]);
  const second = await SettingsFile.open(profile);
  expect(second.value).toEqual({ relay: "wss://relay.example", bounds, maximized: false });
});

test.each([
  ["torn", '{"bounds":{"x"'],
  ["something else", "[]"],
  ["of a place that is none", '{"bounds":{"x":0,"y":0,"width":0,"height":10}}'],
  ["of a relay that is none", '{"relay":"file:///etc/passwd"}'],
])("a file that is %s is as if there were none", async (_what, content) => {
  const profile = await temporaryFolder();
  const path = join(profile, "desktop.json");
  await writeFile(path, content);
  const file = await SettingsFile.open(profile);
  expect(file.value).toEqual({});
  await file.change({ toldUnprotected: true });
  expect(JSON.parse(await readFile(path, "utf8"))).toEqual({ toldUnprotected: true });
});

test.each([
  ["win32", undefined, true],
  ["darwin", undefined, true],
  ["linux", "KDE", true],
  ["linux", "ubuntu:GNOME", true],
  ["linux", "GNOME", false],
  ["linux", "GNOME-Classic:GNOME", false],
  ["linux", undefined, true],
] as const)(
  "on %s with the desktop %s a window may hide in the tray: %s",
  (platform, desktop, tray) => {
    expect(hasTray(platform, desktop)).toBe(tray);
  },
);
