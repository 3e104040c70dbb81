/** The headless host as a script meets it: its options, its refusals, and its documented example. */
import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { afterEach, expect, test } from "vitest";
import { parameters } from "../../electron/headless/help.js";
import { eventSummaries, type Method } from "../../shared/client-api.js";
import { methods } from "../../shared/client-methods.js";
import { Scene } from "./processes.js";

const root = resolve(import.meta.dirname, "../..");
const HEADLESS = join(root, "dist/headless/main.js");
/** Nobody listens on the discard port: the host starts all the same. */
const NO_RELAY = "ws://127.0.0.1:9";

interface Ended {
  readonly code: number | string | null | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs to its end with this input. */
const run = (args: readonly string[], input = "", env = process.env): Promise<Ended> =>
  new Promise((done) => {
    const child = execFile(process.execPath, [...args], { env }, (error, stdout, stderr) =>
      done({ code: error ? error.code : 0, stdout, stderr }),
    );
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(input);
  });

const lines = (stdout: string): Record<string, unknown>[] =>
  stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));

let scene = new Scene();
afterEach(async () => {
  await scene.end();
  scene = new Scene();
});

test("--help lists every method with its parameters, and every notification", async () => {
  const { code, stdout } = await run([HEADLESS, "--help"]);
  expect(code).toBe(0);
  for (const method of Object.keys(methods) as Method[]) {
    expect(stdout).toContain(`  ${method} ${parameters(method)}\n`);
    expect(stdout).toContain(methods[method].summary);
  }
  for (const [event, summary] of Object.entries(eventSummaries)) {
    expect(stdout).toContain(`  ${event}\n      ${summary}`);
  }
});

test.each([
  ["no options", []],
  ["no relay", ["--profile", "x"]],
  ["a relay that is none", ["--profile", "x", "--relay", "http://127.0.0.1"]],
  ["an unknown option", ["--profile", "x", "--relay", NO_RELAY, "--verbose"]],
  ["an unknown level", ["--profile", "x", "--relay", NO_RELAY, "--log-level", "loud"]],
  ["an argument too many", ["--profile", "x", "--relay", NO_RELAY, "more"]],
])("%s: refused in words with exit code 2, and nothing on stdout", async (_what, args) => {
  const { code, stdout, stderr } = await run([HEADLESS, ...args]);
  expect(code).toBe(2);
  expect(stdout).toBe("");
  expect(stderr).toMatch(/^error: /);
});

test.each([
  ["a damaged profile", "{", "profile_corrupt"],
  ["a profile of a newer Dovetail", '{"format":1000,"created":""}', "profile_newer"],
])("%s: one line with the code, and exit code 1", async (_what, content, wanted) => {
  const profile = await scene.folder();
  await writeFile(join(profile, "profile.json"), content);
  const { code, stdout } = await run([HEADLESS, "--profile", profile, "--relay", NO_RELAY]);
  expect(code).toBe(1);
  expect(lines(stdout)).toMatchObject([
    { jsonrpc: "2.0", id: null, error: { data: { code: wanted } } },
  ]);
});

test("a profile that is in use: one line with the code, and the first goes on", async () => {
  const profile = await scene.folder();
  const first = await scene.client({ profile, relay: NO_RELAY });
  await first.call("settings.get", {});
  const { code, stdout } = await run([HEADLESS, "--profile", profile, "--relay", NO_RELAY]);
  expect(code).toBe(1);
  expect(lines(stdout)).toMatchObject([{ error: { data: { code: "profile_in_use" } } }]);
  await first.call("settings.get", {});
});

test("a closed stdin: everything asked before it is answered, and exit code 0", async () => {
  const profile = await scene.folder();
  const asked = Array.from({ length: 50 }, (_, id) =>
    JSON.stringify({ jsonrpc: "2.0", id, method: "settings.set", params: { theme: "dark" } }),
  );
  // The last line has no end of its own.
  const { code, stdout } = await run(
    [HEADLESS, "--profile", profile, "--relay", NO_RELAY],
    asked.join("\n"),
  );
  expect(code).toBe(0);
  const answers = lines(stdout).filter((line) => "id" in line);
  expect(answers.map(({ id }) => id)).toEqual(asked.map((_, id) => id));
});

test("the example of docs/headless.md runs as it stands", async () => {
  const page = await readFile(join(root, "docs/headless.md"), "utf8");
  const folder = await scene.folder();
  const script = join(folder, "talk.mjs");
  await writeFile(script, /```js\n([\s\S]*?)\n```/.exec(page)?.[1] ?? "");
  const relay = await scene.relay({ data: await scene.folder() });
  const { code, stdout, stderr } = await run(
    [script, relay.url, process.execPath, HEADLESS],
    "",
    // Where it makes its profiles.
    { ...process.env, TMPDIR: folder },
  );
  expect([code, stderr]).toEqual([0, ""]);
  expect(stdout).toMatch(
    /^alice to bob, (direct|relay): Hello, Bob\nalice: Hello, Bob \(read\)\nbob: Hello, Alice \((delivered|read)\)\n$/,
  );
});
