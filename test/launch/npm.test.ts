import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, expect, test } from "vitest";
import { WebSocket } from "ws";
import { CloseCode } from "../../shared/protocol.js";

let folder: string;
let npm: ChildProcess | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "dovetail-npm-"));
});
afterEach(async () => {
  npm?.kill("SIGKILL");
  await rm(folder, { recursive: true, force: true });
});

/** `closed` resolves when no process holds the output any more: the relay is gone, not only npm. */
async function startRelay() {
  const child = spawn("npm", ["run", "-s", "relay", "--", "--port", "0", "--data", folder], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  npm = child;
  const closed = once(child, "close");
  const lines: string[] = [];
  const output = createInterface({ input: child.stdout }).on("line", (line) => lines.push(line));
  await once(output, "line");
  return { child, closed, lines };
}

test("npm run -s relay prints exactly one line, and SIGTERM to npm stops the relay gracefully", async () => {
  const { child, closed, lines } = await startRelay();
  const { event, url, http } = JSON.parse(lines[0] ?? "");
  expect({ event, url, http }).toEqual({
    event: "listening",
    url: expect.stringMatching(/^ws:\/\/127\.0\.0\.1:\d+$/),
    http: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
  });
  const socket = new WebSocket(url);
  await once(socket, "open");
  const left = once(socket, "close");
  child.kill("SIGTERM");
  expect((await left)[0]).toBe(CloseCode.restart);
  await closed;
  expect(lines).toHaveLength(1);
});

test("kill -9 of npm leaves no relay behind", async () => {
  const { child, closed } = await startRelay();
  child.kill("SIGKILL");
  await closed;
  expect(child.signalCode).toBe("SIGKILL");
});
