import { defineConfig } from "@playwright/test";
import { findBrowser } from "./test/browser.mjs";
import { whyNoElectron } from "./test/e2e/electron-binary.js";

const noElectron = whyNoElectron();

/** What needs Electron, and what runs at the desktop app and in the browser alike. */
const DESKTOP_ONLY = "electron.spec.ts";
const BOTH = ["full-stack.spec.ts", "full-stack-groups.spec.ts", "full-stack-messages.spec.ts"];

export default defineConfig({
  testDir: "test/e2e",
  outputDir: "test-results",
  retries: 0,
  workers: 2,
  timeout: 60_000,
  expect: { timeout: 10_000 },
  forbidOnly: process.env.CI !== undefined,
  use: {
    browserName: "chromium",
    launchOptions: {
      executablePath: findBrowser() ?? "chromium",
      args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
    },
    screenshot: "only-on-failure",
    trace: "retain-on-failure",
  },
  projects: [
    { name: "browser", testIgnore: DESKTOP_ONLY },
    ...(noElectron === null ? [{ name: "electron", testMatch: [...BOTH, DESKTOP_ONLY] }] : []),
  ],
  // Comes out in the JSON report, from which `npm test` prints it.
  metadata: {
    skips: noElectron === null ? [] : [{ title: "project electron", reason: noElectron }],
  },
});
