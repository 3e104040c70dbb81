/** Bytes that no browser sends: the host outlives them. */
import { connect, type Socket } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { startBrowserServer } from "../../electron/browser/server.js";
import { silentLog, temporaryFolder } from "./helpers.js";

async function serve() {
  const server = await startBrowserServer({
    client: { dispatch: async () => null, subscribe: () => () => undefined },
    files: await temporaryFolder(),
    secret: "secret",
    port: 0,
    log: silentLog,
  });
  onTestFinished(() => server.close());
  const { host, port } = new URL(server.url);
  return { host, port: Number(port) };
}

function open(port: number, bytes: string): Socket {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  socket.write(bytes);
  return socket;
}

/** The first line of what comes back before the connection ends. */
async function ask(port: number, bytes: string): Promise<string> {
  const socket = open(port, bytes);
  let answer = "";
  for await (const chunk of socket) answer += String(chunk);
  return answer.slice(0, answer.indexOf("\r\n"));
}

const get = (target: string, host: string) =>
  `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;

test.each(["//[", "http://[", "*", "///", "/%ff", "?"])(
  "a target that is no path finds nothing: %s",
  async (target) => {
    const { host, port } = await serve();
    expect(await ask(port, get(target, host))).toMatch(/^HTTP\/1\.1 40[04] /);
    expect(await ask(port, get("/none.html", host))).toBe("HTTP/1.1 404 Not Found");
  },
);

test("a request without a host is refused", async () => {
  const { port } = await serve();
  expect(await ask(port, "GET / HTTP/1.0\r\n\r\n")).toBe("HTTP/1.1 403 Forbidden");
});

test("a connection that is reset while it is refused harms nothing", async () => {
  const { host, port } = await serve();
  const headers = `Host: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket`;
  const socket = open(port, `GET /api HTTP/1.1\r\n${headers}\r\n\r\n`);
  const closed = new Promise((done) => socket.on("close", done));
  socket.on("connect", () => socket.resetAndDestroy());
  await closed;
  expect(await ask(port, get("/none.html", host))).toBe("HTTP/1.1 404 Not Found");
});
