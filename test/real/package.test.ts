/** What electron-builder.yml leaves out of the package, against what the built app asks for. */
import { readFile } from "node:fs/promises";
import { builtinModules } from "node:module";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";

const root = resolve(import.meta.dirname, "../..");
const text = (path: string) => readFile(join(root, path), "utf8");

/** Packages, by the specifiers of a built file's imports. */
const imported = (code: string): string[] =>
  [...code.matchAll(/(?:^import .*?|\brequire\()"([^"]+)"/gm)]
    .map(([, specifier]) => specifier as string)
    .filter((name) => !/^(?:node:|[./])/.test(name) && !builtinModules.includes(name))
    .map((name) => name.split("/", name.startsWith("@") ? 2 : 1).join("/"));

test("main's packages are dependencies, and none is left out", async () => {
  const { dependencies } = JSON.parse(await text("package.json")) as {
    dependencies: Record<string, string>;
  };
  const leftOut = /!node_modules\/\{([^}]+)\}/.exec(await text("electron-builder.yml"))?.[1];
  const packages = imported(await text("dist/electron/main.js")).filter((p) => p !== "electron");
  expect(packages).toContain("level");
  expect(packages.filter((name) => !(name in dependencies))).toEqual([]);
  const missing = leftOut?.split(",") ?? [];
  expect(missing).toContain("@roamhq");
  expect(packages.filter((name) => missing.includes(name.split("/")[0] ?? ""))).toEqual([]);
});

test.each(["preload.cjs", "direct-preload.cjs"])(
  "%s asks for nothing but Electron, as a sandboxed preload has to",
  async (file) => {
    expect(imported(await text(`dist/electron/${file}`))).toEqual(["electron"]);
  },
);
