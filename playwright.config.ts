import { defineConfig } from "@playwright/test";
import { findBrowser } from "./test/browser.mjs";
import { whyNoElectron } from "./test/e2e/electron-binary.js";

const noElectron = whyNoElectron();

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
  projects: [{ name: "browser" }, ...(noElectron === null ? [{ name: "electron" }] : [])],
  // Comes out in the JSON report, from which `npm test` prints it.
  metadata: {
    skips: noElectron === null ? [] : [{ title: "project electron", reason: noElectron }],
  },
});
