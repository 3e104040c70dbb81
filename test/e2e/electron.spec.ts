/** The desktop app itself, as far as a stand-in for Electron cannot show it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test as base, type ElectronApplication, expect, type Page } from "@playwright/test";
import type { DovetailBridge } from "../../shared/bridge.js";
import { Scene } from "../real/processes.js";
import { appWindow, desktopArgs, launch, windowAt } from "./desktop.js";
import { electronBinary } from "./electron-binary.js";

interface Desk {
  readonly scene: Scene;
  readonly app: ElectronApplication;
  readonly page: Page;
  readonly args: readonly string[];
}

const test = base.extend<{ desk: Desk }>({
  // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the fixtures' names from the pattern.
  desk: async ({}, use) => {
    const scene = new Scene();
    const relay = await scene.relay({ data: await scene.folder() });
    const args = desktopArgs(await scene.folder(), relay.url);
    const app = await launch(args);
    await use({ scene, app, page: await appWindow(app), args });
    await app.close();
    await scene.end();
  },
});

async function signUp(page: Page): Promise<void> {
  await page.getByTestId("handle-input").fill("alice");
  await page.getByTestId("name-input").fill("Alice");
  await page.getByTestId("sign-up-submit").click();
  await expect(page.getByTestId("search-input")).toBeVisible();
}

test("signs up, writes a note to oneself, and has it after a restart", async ({ desk }) => {
  await signUp(desk.page);
  await desk.page.evaluate(async () => {
    const { dovetail } = window as unknown as { dovetail: DovetailBridge };
    await dovetail.call("conversations.open", { handle: "alice" });
  });
  await desk.page.getByTestId("conversation-item").click();
  await desk.page.getByTestId("composer-input").fill("Remember the milk");
  await desk.page.getByTestId("composer-input").press("Enter");
  const state = desk.page.getByTestId("message").getByTestId("message-state");
  await expect(state).toHaveAttribute("data-state", "sent");

  await desk.app.close();
  const again = await launch(desk.args);
  const page = await windowAt(again, /^app:\/\/dovetail\//);
  await expect(page.getByTestId("conversation-item")).toContainText("Remember the milk");
  await again.close();
});

test("a page has neither Node nor Electron, and code from a string does not run", async ({
  desk,
}) => {
  const found = await desk.page.evaluate(() => {
    const world = window as unknown as Record<string, unknown>;
    const evaluates = () => {
      try {
        return new Function("return true")() as boolean;
      } catch {
        return false;
      }
    };
    return {
      names: ["process", "require", "module", "Buffer", "ipcRenderer"].filter((n) => n in world),
      bridge: Object.keys(world.dovetail as object).sort(),
      evaluates: evaluates(),
    };
  });
  expect(found).toEqual({
    names: [],
    bridge: ["call", "onOpenConversation", "subscribe"],
    evaluates: false,
  });
});

test("the pages come with the policy, and may not leave", async ({ desk }) => {
  const policy = await desk.page.evaluate(async () =>
    (await fetch("./index.html")).headers.get("content-security-policy"),
  );
  expect(policy).toContain("default-src 'none'; script-src 'self'");
  const outside = await desk.page.evaluate(() =>
    fetch("https://example.com/").then(
      () => "loaded",
      () => "refused",
    ),
  );
  expect(outside).toBe("refused");
  const before = desk.page.url();
  const opened = await desk.page.evaluate(() => {
    location.href = "data:text/html,elsewhere";
    return window.open("about:blank") !== null;
  });
  expect(opened).toBe(false);
  expect(desk.page.url()).toBe(before);
  await expect(desk.page.getByTestId("handle-input")).toBeVisible();
});

test("the window for WebRTC is not shown and outlives a reload of the other", async ({ desk }) => {
  await windowAt(desk.app, /^app:\/\/direct\//);
  const shown = () =>
    desk.app.evaluate(({ BrowserWindow }) =>
      BrowserWindow.getAllWindows()
        .map((window) => [new URL(window.webContents.getURL()).host, window.isVisible()])
        .sort(),
    );
  expect(await shown()).toEqual([
    ["direct", false],
    ["dovetail", true],
  ]);
  await desk.page.reload();
  await expect(desk.page.getByTestId("handle-input")).toBeVisible();
  expect((await shown()).map(([host]) => host)).toEqual(["direct", "dovetail"]);
});

test("a second start on the same profile ends at once and leaves the first alone", async ({
  desk,
}) => {
  const second = spawn(electronBinary() as string, desk.args, { stdio: "ignore" });
  const [code] = await once(second, "exit");
  expect(code).toBe(0);
  await signUp(desk.page);
});
