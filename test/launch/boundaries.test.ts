import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";

const CONFIG = join(process.cwd(), ".dependency-cruiser.cjs");
const DEPCRUISE = join(process.cwd(), "node_modules/dependency-cruiser/bin/dependency-cruise.mjs");

/** One import for each rule, that only this rule forbids: the file that imports, and what. */
const violations: Record<string, readonly [from: string, to: string]> = {
  "shared-imports-no-side": ["shared/node/side.ts", "../../relay/leaf.js"],
  "pure-shared-imports-only-zod": ["shared/package.ts", "fastify"],
  "shared-node-imports-only-node-and-level": ["shared/node/package.ts", "fastify"],
  "renderer-imports-only-shared": ["renderer/core.ts", "../electron/leaf.js"],
  "renderer-imports-no-node": ["renderer/node.ts", "node:fs"],
  "relay-imports-only-shared": ["relay/side.ts", "../electron/leaf.js"],
  "electron-imports-only-shared": ["electron/side.ts", "../relay/leaf.js"],
  "client-core-is-pure": ["electron/client/package.ts", "ws"],
  "client-core-needs-no-node": ["electron/client/node.ts", "node:fs"],
  "relay-domain-is-pure": ["relay/core/package.ts", "level"],
  "relay-domain-needs-no-node": ["relay/store/node.ts", "node:fs"],
  "electron-package-only-in-its-host": ["electron/headless/app.ts", "electron"],
  "simple-peer-in-one-file": ["electron/direct/other.ts", "simple-peer"],
  "no-cycles": ["electron/back.ts", "./cycle.js"],
  "no-orphans": ["electron/orphan.ts", ""],
  "no-unresolvable": ["electron/missing.ts", "./nowhere.js"],
};

/** What the rules allow, and what the imports above lead to. */
const allowed: Record<string, string> = {
  "shared/pure.ts": 'export * from "zod";',
  "shared/node/level.ts":
    'export * from "level"; export * from "node:fs"; export * from "../pure.js";',
  "relay/leaf.ts": 'export * from "../shared/pure.js";',
  "relay/server/gateway.ts": 'export * from "ws"; export * from "../../shared/node/level.js";',
  "electron/leaf.ts": 'export * from "../shared/pure.js";',
  "electron/cycle.ts": 'export * from "./back.js";',
  "electron/host/tray.ts": 'export * from "electron";',
  "electron/direct/peer.ts": 'export * from "simple-peer";',
};

const PACKAGES = ["zod", "ws", "level", "fastify", "electron", "simple-peer"];

let folder: string;

async function write(file: string, text: string): Promise<void> {
  const at = join(folder, file);
  await mkdir(dirname(at), { recursive: true });
  await writeFile(at, text);
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "dovetail-boundaries-"));
  await write("tsconfig.node.json", "{}");
  await write("package.json", JSON.stringify({ type: "module" }));
  for (const name of PACKAGES) {
    await write(`node_modules/${name}/package.json`, JSON.stringify({ name, main: "index.js" }));
    await write(`node_modules/${name}/index.js`, "export {};");
  }
  for (const [file, text] of Object.entries(allowed)) await write(file, text);
  for (const [file, to] of Object.values(violations)) {
    await write(file, to === "" ? "export {};" : `export * from "${to}";`);
  }
});

afterEach(() => rm(folder, { recursive: true, force: true }));

interface Violation {
  readonly from: string;
  readonly rule: { readonly name: string };
}

function cruise(): Promise<readonly Violation[]> {
  const args = [DEPCRUISE, "--config", CONFIG, "--output-type", "json"];
  args.push("shared", "relay", "electron", "renderer");
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, { cwd: folder }, (error, stdout) => {
      // Its exit code is the number of violations.
      if (error && stdout === "") reject(error);
      else resolve(JSON.parse(stdout).summary.violations);
    });
  });
}

test("each boundary rule refuses what it is there for, and nothing that is allowed", async () => {
  const rules: { forbidden: { name: string; comment: string }[] } = createRequire(import.meta.url)(
    CONFIG,
  );
  expect(Object.keys(violations)).toEqual(rules.forbidden.map(({ name }) => name));
  const found = await cruise();
  for (const [rule, [file]] of Object.entries(violations)) {
    expect(found.map(({ from, rule: { name } }) => `${name}: ${from}`)).toContain(
      `${rule}: ${file}`,
    );
  }
  const mayFail = new Set(Object.values(violations).map(([file]) => file));
  expect(found.filter(({ from }) => !mayFail.has(from))).toEqual([]);
});
