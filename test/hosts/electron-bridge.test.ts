/** What passes between the renderer and main in Electron, and how pages get there. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, test, vi } from "vitest";
import type { DovetailBridge } from "../../shared/bridge.js";
import { DovetailError } from "../../shared/errors.js";
import * as double from "./electron-double.js";
import { temporaryFolder } from "./helpers.js";

vi.mock("electron", () => import("./electron-double.js"));

const { channels } = await import("../../electron/host/channels.js");
const { serveIpc } = await import("../../electron/host/ipc.js");
const { registerScheme, serveScheme } = await import("../../electron/host/scheme.js");

describe("the preload", () => {
  let bridge: DovetailBridge;
  beforeAll(async () => {
    await import("../../electron/preload.js");
    bridge = double.exposed.get("dovetail") as DovetailBridge;
  });

  test("gives the page three functions and nothing of Electron (point 20)", () => {
    expect([...double.exposed.keys()]).toEqual(["dovetail"]);
    expect(Object.keys(bridge).sort()).toEqual(["call", "onOpenConversation", "subscribe"]);
  });

  test("calls over one fixed channel, whatever the method is called", async () => {
    await bridge.call("dovetail:event", { a: 1 });
    expect(double.ipcRenderer.invoke.mock.calls).toEqual([
      [channels.call, "dovetail:event", { a: 1 }],
    ]);
  });

  test("hands on what main says without the IPC event, until unsubscribed", () => {
    const listener = vi.fn();
    const stop = bridge.subscribe(listener);
    double.ipcRenderer.emit(channels.event, { sender: double.ipcRenderer }, { event: "x" });
    stop();
    double.ipcRenderer.emit(channels.event, {}, { event: "y" });
    expect(listener.mock.calls).toEqual([[{ event: "x" }]]);
  });

  test("tells which conversation a notification was about", () => {
    const listener = vi.fn();
    bridge.onOpenConversation(listener);
    double.ipcRenderer.emit(channels.openConversation, {}, "0123");
    expect(listener.mock.calls).toEqual([["0123"]]);
  });
});

describe("a call", () => {
  const dispatch = vi.fn(async (method: string, params: unknown): Promise<unknown> => {
    if (method === "fail") throw new DovetailError("rate_limited", "slowly", { retryAfterMs: 5 });
    if (method === "break") throw new TypeError("a fault");
    return { method, params };
  });
  beforeAll(() => serveIpc({ dispatch }));

  const from = (url: string, parent: unknown = null) => ({ senderFrame: { url, parent } });
  const renderer = from("app://dovetail/");
  const call = async (event: unknown, ...args: unknown[]) =>
    await double.handler(`ipc ${channels.call}`)(event, ...args);

  test("of the renderer is answered", async () => {
    expect(await call(renderer, "a.b", { c: 1 })).toEqual({
      ok: true,
      result: { method: "a.b", params: { c: 1 } },
    });
  });

  test.each([
    ["another page", from("https://example.com/")],
    ["a page that looks alike", from("app://dovetail.example/")],
    ["the WebRTC window", from("app://direct/window.html")],
    ["a frame in the renderer", from("app://dovetail/", {})],
    ["a frame that is gone", { senderFrame: null }],
  ])("of %s is refused (point 17)", async (_who, event) => {
    dispatch.mockClear();
    await expect(call(event, "a.b", {})).rejects.toThrow("Not for this page.");
    expect(dispatch).not.toHaveBeenCalled();
  });

  test.each([[[]], [[1, {}]], [["x".repeat(65), {}]], [["a.b", {}, "more"]]])(
    "with other arguments is refused: %j",
    async (args) => {
      expect(await call(renderer, ...args)).toMatchObject({
        ok: false,
        error: { code: "invalid_request" },
      });
    },
  );

  test("that fails says why, as a value", async () => {
    expect(await call(renderer, "fail", {})).toEqual({
      ok: false,
      error: { code: "rate_limited", message: "slowly", retryAfterMs: 5 },
    });
    expect(await call(renderer, "break", {})).toEqual({
      ok: false,
      error: { code: "internal", message: "a fault" },
    });
  });
});

describe("the app: scheme", () => {
  async function get(url: string, init: object = {}): Promise<Response> {
    const folder = await temporaryFolder();
    for (const host of ["renderer", "direct"]) {
      await mkdir(join(folder, host));
      await writeFile(join(folder, host, "index.html"), `<title>${host}</title>`);
    }
    await writeFile(join(folder, "secret.json"), "{}");
    serveScheme({ dovetail: join(folder, "renderer"), direct: join(folder, "direct") });
    const request = { url, method: "GET", ...init };
    return (await double.handler("scheme app")(request)) as Response;
  }

  test("is standard and secure, and does not pass by the Content Security Policy", () => {
    registerScheme();
    const [[schemes]] = double.protocol.registerSchemesAsPrivileged.mock.calls as [
      [{ scheme: string; privileges: Record<string, boolean> }[]],
    ];
    expect(schemes.map(({ scheme }) => scheme)).toEqual(["app"]);
    expect(schemes[0]?.privileges).toMatchObject({ standard: true, secure: true });
    expect(schemes[0]?.privileges).not.toHaveProperty("bypassCSP");
    expect(schemes[0]?.privileges).not.toHaveProperty("corsEnabled");
  });

  test("serves each host its own folder, with the policy (points 7, 18)", async () => {
    const response = await get("app://dovetail/");
    expect(response.status).toBe(200);
    expect(await response.text()).toBe("<title>renderer</title>");
    const policy = response.headers.get("content-security-policy") ?? "";
    expect(policy).toContain("default-src 'none'; script-src 'self';");
    expect(policy).not.toMatch(/unsafe|\*|https?:/);
    expect(response.headers.get("x-content-type-options")).toBe("nosniff");
    expect(await (await get("app://direct/index.html")).text()).toBe("<title>direct</title>");
  });

  test.each([
    "app://dovetail/missing.js",
    "app://dovetail/%2e%2e%2fsecret.json",
    "app://dovetail/..%2fsecret.json",
    "app://dovetail/..%5csecret.json",
    "app://dovetail/%00",
    "app://dovetail/%",
  ])("has nothing at %s", async (url) => {
    expect((await get(url)).status).toBe(404);
  });

  test("is for its own pages alone", async () => {
    expect((await get("app://nobody/index.html")).status).toBe(403);
    expect((await get("app://constructor/index.html")).status).toBe(403);
    expect((await get("app://dovetail/", { method: "POST" })).status).toBe(403);
    const by = async (initiatorOrigin: string) =>
      (await get("app://dovetail/index.html", { initiatorOrigin })).status;
    expect(await by("app://dovetail")).toBe(200);
    expect(await by("app://direct")).toBe(403);
    expect(await by("https://example.com")).toBe(403);
    expect(await by("null")).toBe(403);
  });
});
