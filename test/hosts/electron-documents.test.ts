/** docs/electron-security.md and the files it points to, as far as they can be checked as text. */
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";

const root = resolve(import.meta.dirname, "../..");
const text = (path: string) => readFile(join(root, path), "utf8");

const page = await text("docs/electron-security.md");
const points = page.split("\n").filter((line) => /^\| \d+ \|/.test(line));

test("the page has all twenty points, and what it names exists", () => {
  expect(points.map((line) => Number(line.split("|")[1]))).toEqual(
    Array.from({ length: 20 }, (_, i) => i + 1),
  );
  const paths = [...page.matchAll(/`([\w-]+(?:\/[\w.-]+)*\.(?:ts|yml|json))`/g)].map(
    ([, path]) => path as string,
  );
  expect(paths.length).toBeGreaterThan(20);
  expect(paths.filter((path) => !existsSync(join(root, path)))).toEqual([]);
});

test("nothing switches on what is off by default (points 6, 8, 9, 10)", async () => {
  const folders = ["electron", "electron/host", "electron/direct"];
  const files = (
    await Promise.all(
      folders.map(async (folder) =>
        (await readdir(join(root, folder))).map((f) => `${folder}/${f}`),
      ),
    )
  ).flat();
  for (const file of files.filter((each) => each.endsWith(".ts"))) {
    expect(await text(file), file).not.toMatch(
      /enableBlinkFeatures|webSecurity: false|allowRunningInsecureContent: true|experimentalFeatures: true|nodeIntegration: true|sandbox: false|contextIsolation: false|no-sandbox|allowpopups/,
    );
  }
});

test.each(["renderer/index.html", "electron/direct/window.html"])(
  "%s has no inline code, style or handler (point 7)",
  async (file) => {
    const html = await text(file);
    expect([...html.matchAll(/<script(?![^>]* src=)[^>]*>/g)]).toEqual([]);
    expect(html).not.toMatch(/<style|\sstyle=|\son\w+=|javascript:|https?:\/\//);
  },
);

test("Electron is no older than the version that this was written for (point 16)", async () => {
  const lock = JSON.parse(await text("package-lock.json")) as {
    packages: Record<string, { version: string }>;
  };
  const major = Number(lock.packages["node_modules/electron"]?.version.split(".")[0]);
  expect(major).toBeGreaterThanOrEqual(45);
});

test("the package's fuses (point 19)", async () => {
  const block = /^electronFuses:\n((?: {2}\w+: \w+\n)+)/m.exec(await text("electron-builder.yml"));
  const fuses = Object.fromEntries(
    [...(block?.[1] ?? "").matchAll(/(\w+): (\w+)/g)].map(([, name, value]) => [name, value]),
  );
  expect(fuses).toEqual({
    runAsNode: "false",
    enableCookieEncryption: "true",
    enableNodeOptionsEnvironmentVariable: "false",
    enableNodeCliInspectArguments: "false",
    enableEmbeddedAsarIntegrityValidation: "true",
    onlyLoadAppFromAsar: "true",
    loadBrowserProcessSpecificV8Snapshot: "false",
    grantFileProtocolExtraPrivileges: "false",
  });
});
