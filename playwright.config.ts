import { defineConfig } from "@playwright/test";
import { findBrowser } from "./test/browser.mjs";

export default defineConfig({
  testDir: "test/e2e",
  outputDir: "test-results",
  retries: 0,
  workers: 2,
  timeout: 60_000,
  expect: { timeout: 10_000 },
  forbidOnly: process.env.CI !== undefined,
  use: { screenshot: "only-on-failure", trace: "retain-on-failure" },
  projects: [
    {
      name: "browser",
      use: {
        browserName: "chromium",
        launchOptions: {
          executablePath: findBrowser() ?? "chromium",
          args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        },
      },
    },
    { name: "electron" },
  ],
});
