import { createServer, type Server } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";
import type { RelayWire, RelayWireEvents } from "../../electron/client/ports.js";
import { relayDialer } from "../../electron/node/relay-dialer.js";
import { MAX_FRAME_BYTES } from "../../shared/limits.js";

/** What a connection reported, in order. */
class Reported implements RelayWireEvents {
  readonly events: (string | Uint8Array)[] = [];
  closings = 0;
  reason = "";
  code = 0;
  retryAfterMs: number | undefined;
  #changed: () => void = () => undefined;

  open(): void {
    this.#add("open");
  }
  frame(frame: Uint8Array): void {
    this.#add(frame);
  }
  closed(code: number, reason: string, retryAfterMs?: number): void {
    this.retryAfterMs = retryAfterMs;
    this.closings++;
    this.code = code;
    this.reason = reason;
    this.#add("closed");
  }
  #add(event: string | Uint8Array): void {
    this.events.push(event);
    this.#changed();
  }
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
  }
}

async function relay(connected: (socket: WebSocket) => void): Promise<string> {
  const http: Server = createServer();
  const server = new WebSocketServer({ server: http });
  server.on("connection", connected);
  await new Promise<void>((done) => http.listen(0, "127.0.0.1", done));
  onTestFinished(() => {
    for (const client of server.clients) client.terminate();
    http.close();
  });
  return `ws://127.0.0.1:${(http.address() as AddressInfo).port}`;
}

function dial(url: string): { wire: RelayWire; reported: Reported } {
  const reported = new Reported();
  const wire = relayDialer.dial(url, reported);
  expect(reported.events).toEqual([]);
  onTestFinished(() => wire.close());
  return { wire, reported };
}

test("carries binary frames both ways and reports the relay's closing with its code", async () => {
  const url = await relay((socket) => {
    socket.on("message", (data, isBinary) => {
      socket.send(data, { binary: isBinary });
      socket.close(4005, "replaced");
    });
  });
  const { wire, reported } = dial(url);
  await reported.until(() => reported.events.length > 0);
  wire.send(Uint8Array.of(1, 2, 3));
  await reported.until(() => reported.closings > 0);
  expect(reported.events).toEqual(["open", Uint8Array.of(1, 2, 3), "closed"]);
  expect([reported.code, reported.reason]).toEqual([4005, "replaced"]);
});

test("a frame that was reported is the caller's: the next one does not overwrite it", async () => {
  const url = await relay((socket) => {
    for (let i = 0; i < 50; i++) socket.send(new Uint8Array(100).fill(i));
  });
  const { reported } = dial(url);
  await reported.until(() => reported.events.length === 51);
  const frames = reported.events.slice(1) as Uint8Array[];
  expect(frames.every((frame, i) => frame.every((byte) => byte === i))).toBe(true);
});

test("a relay that does not listen is a closing with a reason, not an exception", async () => {
  const free = createTcpServer();
  await new Promise<void>((done) => free.listen(0, "127.0.0.1", done));
  const { port } = free.address() as AddressInfo;
  await new Promise((done) => free.close(done));
  const { reported } = dial(`ws://127.0.0.1:${port}`);
  await reported.until(() => reported.closings > 0);
  expect(reported.events).toEqual(["closed"]);
  expect(reported.reason).toMatch(/ECONNREFUSED/);
});

test.each(["http-less nonsense", "ftp://127.0.0.1/", "ws://127.0.0.1/#fragment"])(
  "an address that is none is a closing with a reason: %s",
  async (url) => {
    const { reported } = dial(url);
    await reported.until(() => reported.closings > 0);
    expect(reported.events).toEqual(["closed"]);
    expect(reported.reason).not.toBe("");
  },
);

test("text, which the protocol does not have, ends the connection", async () => {
  const { reported } = dial(await relay((socket) => socket.send("hello")));
  await reported.until(() => reported.closings > 0);
  expect(reported.events).toEqual(["open", "closed"]);
});

test("a frame over the limit ends the connection", async () => {
  const { reported } = dial(
    await relay((socket) => socket.send(new Uint8Array(MAX_FRAME_BYTES + 1))),
  );
  await reported.until(() => reported.closings > 0);
  expect(reported.events).toEqual(["open", "closed"]);
  expect(reported.reason).toMatch(/payload/i);
});

test("after closing here nothing is reported any more, and sending does nothing", async () => {
  let received = 0;
  let left: () => void;
  const closed = new Promise<void>((resolve) => {
    left = resolve;
  });
  const url = await relay((socket) => {
    socket.on("message", () => received++);
    socket.on("close", () => left());
    socket.send(Uint8Array.of(1));
  });
  const { wire, reported } = dial(url);
  await reported.until(() => reported.events.length > 0);
  wire.close();
  wire.send(Uint8Array.of(2));
  wire.close();
  await closed;
  expect(reported.closings).toBe(1);
  expect(received).toBe(0);
});

test("closing while it is still dialling is a closing like any other", async () => {
  const { wire, reported } = dial(await relay(() => undefined));
  wire.close();
  await reported.until(() => reported.closings > 0);
  expect(reported.events).toEqual(["closed"]);
});

test.each([
  ["7", 7_000],
  ["999999", 600_000],
  ["Wed, 21 Oct 2026 07:28:00 GMT", undefined],
  [undefined, undefined],
])("who takes no connection now says when to come again: Retry-After %s", async (after, ms) => {
  const http = createServer();
  http.on("upgrade", (_request, socket) => {
    const header = after === undefined ? "" : `Retry-After: ${after}\r\n`;
    socket.end(`HTTP/1.1 503 Service Unavailable\r\n${header}Content-Length: 0\r\n\r\n`);
  });
  await new Promise<void>((done) => http.listen(0, "127.0.0.1", done));
  onTestFinished(() => void http.close());
  const { reported } = dial(`ws://127.0.0.1:${(http.address() as AddressInfo).port}`);
  await reported.until(() => reported.closings > 0);
  expect(reported.events).toEqual(["closed"]);
  expect(reported.reason).toContain("503");
  expect(reported.retryAfterMs).toBe(ms);
});
