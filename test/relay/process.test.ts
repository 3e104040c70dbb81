import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, expect, it } from "vitest";
import { CloseCode } from "../../shared/protocol.js";
import { Client, remote } from "./world.js";

const LAUNCHER = resolve(import.meta.dirname, "../../electron/launch/run.mjs");

let data: string;
const children: ChildProcess[] = [];

beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), "dovetail-process-"));
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  await rm(data, { recursive: true });
});

function run(args: readonly string[], within: readonly string[] = []): ChildProcess {
  const [command = "", ...rest] = [...within, process.execPath, LAUNCHER, "relay", ...args];
  const child = spawn(command, rest, { stdio: ["ignore", "pipe", "pipe"] });
  children.push(child);
  return child;
}

async function start(within: readonly string[] = []) {
  const child = run(["--port", "0", "--data", data, "--log-level", "silent"], within);
  const lines: string[] = [];
  const output = createInterface({ input: child.stdout as NodeJS.ReadableStream });
  output.on("line", (line) => lines.push(line));
  await once(output, "line");
  return { child, lines, ready: JSON.parse(lines[0] ?? "") as Record<string, string> };
}

it("says one line when it listens, and ends gracefully on SIGTERM", async () => {
  const { child, lines, ready } = await start();
  expect(ready).toEqual({
    event: "listening",
    url: expect.stringMatching(/^ws:\/\/127\.0\.0\.1:\d+$/),
    http: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
  });
  expect((await fetch(`${ready.http}/readyz`)).status).toBe(200);
  const alice = new Client(remote(ready.url ?? ""));
  await alice.register("alice");
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  expect(await alice.closed()).toBe(CloseCode.restart);
  expect(await ended).toEqual([0, null]);
  expect(lines).toHaveLength(1);
});

it("runs by the command's name too, and lists what else there is", async () => {
  const child = run(["start", "--port", "0", "--data", data, "--log-level", "silent"]);
  const [line] = await once(child.stdout as NodeJS.ReadableStream, "data");
  expect(JSON.parse(`${line}`)).toMatchObject({ event: "listening" });
  const help = run(["--help"]);
  let said = "";
  help.stdout?.on("data", (chunk) => {
    said += chunk;
  });
  expect(await once(help, "close")).toEqual([0, null]);
  expect(said).toContain("Commands, each with its own --help:\n  start ");
  expect(said).toContain("--port <number>");
});

it("is drained by a command, which waits until it has ended", async () => {
  const { child, ready } = await start();
  const alice = new Client(remote(ready.url ?? ""));
  await alice.register("alice");
  const ended = once(child, "exit");
  const drain = run(["drain", "--within", "1", "--data", data]);
  let said = "";
  drain.stdout?.on("data", (chunk) => {
    said += chunk;
  });
  expect(await once(drain, "close")).toEqual([0, null]);
  expect(said).toBe("Clients to be sent away within 1 s: 1.\nThe relay has ended.\n");
  expect(await ended).toEqual([0, null]);
  expect(await alice.closed()).toBe(CloseCode.restart);
  const again = await start();
  expect((await fetch(`${again.ready.http}/readyz`)).status).toBe(200);
});

it("has every acknowledged entry after kill -9", async () => {
  const first = await start();
  const alice = new Client(remote(first.ready.url ?? ""));
  await alice.register("alice");
  const notes = await alice.open(alice.userId);
  let acknowledged = 0;
  const sending = (async () => {
    for (let n = 1; ; n++) {
      const answer = await alice.append(notes, n, [`${n}`]);
      if (answer.type === "appended") acknowledged = n;
      if (n === 50) first.child.kill("SIGKILL");
    }
  })();
  await Promise.race([sending, alice.closed()]);
  const second = await start();
  const again = new Client(remote(second.ready.url ?? ""), alice.key);
  await again.authenticate();
  const log = await again.log(notes);
  expect(log.length).toBeGreaterThanOrEqual(acknowledged);
  expect(log).toEqual(log.map((_, i) => `${i + 1}`));
  expect(acknowledged).toBeGreaterThanOrEqual(50);
});

it.each([
  [["--port", "x"], 2, "--port is wrong"],
  [["--nonsense"], 2, "unknown option"],
  [["nonsense"], 2, 'There is no command "nonsense"'],
  [["start", "--nonsense"], 2, "unknown option"],
  [["--data", "/dev/null/x", "--port", "0"], 1, "The relay cannot start."],
])("refuses %j with exit code %i and a sentence", async (args, code, sentence) => {
  const child = run(args);
  let said = "";
  child.stderr?.on("data", (chunk) => {
    said += chunk;
  });
  expect(await once(child, "close")).toEqual([code, null]);
  expect(said).toContain(sentence);
});

it.runIf(process.platform === "linux")(
  "a disk that takes no more: refuses, reads on, says so, and recovers",
  async () => {
    // A limit on the size of files fails writes as a full disk does, in the middle of a record.
    const limit = ["sh", "-c", 'ulimit -S -f 512; exec "$0" "$@"'];
    const { child, ready } = await start(limit);
    const alice = new Client(remote(ready.url ?? ""));
    await alice.register("alice");
    const notes = await alice.open(alice.userId);
    const kept: string[] = [];
    for (;;) {
      const text = `${kept.length} ${"x".repeat(50_000)}`;
      const answer = await alice.append(notes, kept.length + 1, [text]);
      if (answer.type === "error") {
        expect(answer.code).toBe("storage_failed");
        break;
      }
      kept.push(text);
    }
    expect((await fetch(`${ready.http}/readyz`)).status).toBe(503);
    expect(await alice.log(notes)).toEqual(kept);

    execFileSync("prlimit", ["--pid", `${child.pid}`, "--fsize=unlimited"]);
    await expect
      .poll(async () => (await fetch(`${ready.http}/readyz`)).status, { timeout: 15_000 })
      .toBe(200);
    expect(await alice.append(notes, kept.length + 1, ["after"])).toMatchObject({
      places: [{ seq: kept.length + 1 }],
    });
    child.kill("SIGKILL");
    await once(child, "exit");
    const again = new Client(remote((await start()).ready.url ?? ""), alice.key);
    await again.authenticate();
    expect(await again.log(notes)).toEqual([...kept, "after"]);
  },
);
