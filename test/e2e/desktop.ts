/** The desktop app under Playwright's Electron support. */
import { resolve } from "node:path";
import { _electron, type ElectronApplication, expect, type Page } from "@playwright/test";

const root = resolve(import.meta.dirname, "../..");
/** Chromium's sandbox does not run as root, as which containers often run. */
const asRoot = process.platform === "linux" && process.getuid?.() === 0 ? ["--no-sandbox"] : [];

export const desktopArgs = (profile: string, relay: string): string[] => [
  ...asRoot,
  root,
  "--profile",
  profile,
  "--relay",
  relay,
];

export const launch = (args: readonly string[]): Promise<ElectronApplication> =>
  _electron.launch({ args: [...args], cwd: root });

export async function windowAt(app: ElectronApplication, url: RegExp): Promise<Page> {
  const find = () => app.windows().find((page) => url.test(page.url()));
  await expect.poll(find).toBeDefined();
  return find() as Page;
}

export const appWindow = (app: ElectronApplication): Promise<Page> =>
  windowAt(app, /^app:\/\/dovetail\//);
