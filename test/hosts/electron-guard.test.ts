/** What pages in Electron's windows may do: docs/electron-security.md, point by point. */
import { beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import * as double from "./electron-double.js";

vi.mock("electron", () => import("./electron-double.js"));

const { guardPages, guardSession } = await import("../../electron/host/guard.js");
const { securePreferences } = await import("../../electron/host/secure-preferences.js");

const RENDERER = "app://dovetail/";
const DIRECT = "app://direct/window.html";

test("every window is sandboxed, isolated and without Node (points 2, 3, 4, 6, 8, 9, 11)", () => {
  expect(securePreferences("/preload.cjs")).toMatchObject({
    sandbox: true,
    contextIsolation: true,
    nodeIntegration: false,
    nodeIntegrationInWorker: false,
    nodeIntegrationInSubFrames: false,
    webSecurity: true,
    allowRunningInsecureContent: false,
    experimentalFeatures: false,
    webviewTag: false,
    devTools: false,
  });
  expect(securePreferences("/preload.cjs")).not.toHaveProperty("enableBlinkFeatures");
});

describe("pages", () => {
  beforeAll(() => guardPages());
  beforeEach(() => double.shell.openExternal.mockClear());

  const page = (url: string) => {
    const made = double.contents(url);
    double.app.emit("web-contents-created", {}, made);
    return made;
  };
  const openWindow = (url: string) => double.handler("window open")({ url });

  test.each([
    "https://example.com/",
    "file:///etc/passwd",
    DIRECT,
    "app://dovetail/other.html",
    "javascript:alert(1)",
  ])("may not go to %s (point 13)", (url) => {
    expect(
      double.prevented(page(RENDERER), "will-frame-navigate", { isMainFrame: true, url }),
    ).toBe(true);
  });

  test("may load themselves anew, but not in a frame", () => {
    const reload = (isMainFrame: boolean) =>
      double.prevented(page(RENDERER), "will-frame-navigate", { isMainFrame, url: RENDERER });
    expect(reload(true)).toBe(false);
    expect(reload(false)).toBe(true);
  });

  test("are not redirected and hold no webview (points 11, 12, 13)", () => {
    expect(double.prevented(page(RENDERER), "will-redirect")).toBe(true);
    expect(double.prevented(page(RENDERER), "will-attach-webview")).toBe(true);
  });

  test.each(["https://example.com/", "http://example.com/"])(
    "open %s in the person's browser and never in a window (points 14, 15)",
    (url) => {
      page(RENDERER);
      expect(openWindow(url)).toEqual({ action: "deny" });
      expect(double.shell.openExternal.mock.calls).toEqual([[url]]);
    },
  );

  test.each([
    "file:///bin/sh",
    "smb://host/share",
    "javascript:alert(1)",
    "ms-msdt:x",
    "not a url",
  ])("open %s nowhere (point 15)", (url) => {
    page(RENDERER);
    expect(openWindow(url)).toEqual({ action: "deny" });
    expect(double.shell.openExternal).not.toHaveBeenCalled();
  });

  test("that talk to other devices open nothing at all", () => {
    page(DIRECT);
    expect(openWindow("https://example.com/")).toEqual({ action: "deny" });
    expect(double.shell.openExternal).not.toHaveBeenCalled();
  });
});

describe("sessions", () => {
  const session = double.session();
  beforeAll(() => guardSession(session as never));

  const asked = (permission: string, requestingUrl: string): boolean => {
    let allowed = false;
    double.handler("permission request")(
      null,
      permission,
      (answer: boolean) => (allowed = answer),
      { requestingUrl },
    );
    const checked = double.handler("permission check")(null, permission, requestingUrl);
    expect(checked).toBe(allowed);
    return allowed;
  };

  test("the renderer may notify, and nobody else may (point 5)", () => {
    expect(asked("notifications", RENDERER)).toBe(true);
    expect(asked("notifications", DIRECT)).toBe(false);
    expect(asked("notifications", "https://example.com/")).toBe(false);
    expect(asked("notifications", "app://dovetail.example/")).toBe(false);
    expect(asked("notifications", "")).toBe(false);
  });

  test.each(["media", "geolocation", "openExternal", "display-capture", "hid", "usb", "unknown"])(
    "nobody may %s (point 5)",
    (permission) => {
      for (const url of [RENDERER, DIRECT]) expect(asked(permission, url)).toBe(false);
    },
  );

  test("no device, no screen, no download", () => {
    expect(double.handler("device permission")()).toBe(false);
    let given: unknown;
    double.handler("display media")({}, (answer: unknown) => (given = answer));
    expect(given).toEqual({});
    expect(double.prevented(session, "will-download")).toBe(true);
  });

  test.each([
    [RENDERER, false],
    [DIRECT, false],
    ["https://example.com/x.js", true],
    ["http://127.0.0.1:8080/", true],
    ["ws://127.0.0.1:8080/", true],
    ["file:///etc/passwd", true],
    ["app://dovetail.example/", true],
  ])("a request to %s: cancelled is %s (point 1)", (url, cancel) => {
    let decision: unknown;
    double.handler("request")({ url }, (answer: unknown) => (decision = answer));
    expect(decision).toEqual({ cancel });
  });
});
