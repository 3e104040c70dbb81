/** The browser host's server against what else runs on, or is looked at on, the same computer. */
import { mkdir, writeFile } from "node:fs/promises";
import { type IncomingMessage, request } from "node:http";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { WebSocket } from "ws";
import { startBrowserServer } from "../../electron/browser/server.js";
import type { ClientEvent } from "../../shared/client-api.js";
import { silentLog, temporaryFolder } from "./helpers.js";

const SECRET = "c2VjcmV0LW9mLXRoaXMtbGF1bmNo";

async function serve() {
  const outside = await temporaryFolder();
  const files = join(outside, "renderer");
  await mkdir(join(files, "assets"), { recursive: true });
  await writeFile(join(files, "index.html"), "<title>Dovetail</title>");
  await writeFile(join(files, "assets", "index-1.js"), "export {};");
  await writeFile(join(files, "notes.txt"), "of no kind that a page consists of");
  await writeFile(join(outside, "secret.json"), "{}");
  const listeners = new Set<(event: ClientEvent) => void>();
  const dispatch = vi.fn(async (method: string): Promise<unknown> => ({ method }));
  const server = await startBrowserServer({
    client: {
      dispatch,
      subscribe: (listener) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    },
    files,
    secret: SECRET,
    port: 0,
    log: silentLog,
  });
  onTestFinished(() => server.close());
  return { origin: new URL(server.url).origin, url: server.url, server, listeners, dispatch };
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

/** As `fetch` cannot: with any Host header, and a path that nothing has tidied up. */
const ask = (
  origin: string,
  path: string,
  options: { host?: string; method?: string } = {},
): Promise<Answer> =>
  new Promise((done, failed) => {
    const { hostname, port, host } = new URL(origin);
    const { method = "GET" } = options;
    const headers = { host: options.host ?? host };
    request({ hostname, port, path, method, headers }, (response) => {
      let body = "";
      response.on("data", (chunk) => {
        body += String(chunk);
      });
      response.on("end", () =>
        done({ status: response.statusCode ?? 0, headers: response.headers, body }),
      );
    })
      .on("error", failed)
      .end();
  });

interface Knock {
  readonly origin?: string | undefined;
  readonly host?: string;
  readonly path?: string;
  readonly protocols?: string[];
}

/** Opens the API; null when it is refused. */
function connect(server: string, knock: Knock = {}): Promise<WebSocket | null> {
  const { path = "/api", protocols = ["dovetail", `secret.${SECRET}`] } = knock;
  const origin = "origin" in knock ? knock.origin : server;
  const socket = new WebSocket(`${server.replace("http", "ws")}${path}`, protocols, {
    headers: { ...(origin !== undefined && { origin }), ...(knock.host && { host: knock.host }) },
  });
  onTestFinished(() => socket.terminate());
  return new Promise((done) => {
    socket.on("open", () => done(socket));
    socket.on("error", () => done(null));
  });
}

const nextMessage = (socket: WebSocket): Promise<unknown> =>
  new Promise((done) => socket.once("message", (data) => done(JSON.parse(String(data)))));

test("the page comes with the policy and names no secret to the server", async () => {
  const { origin, url } = await serve();
  expect(new URL(url).hash).toBe(`#secret=${SECRET}`);
  const { status, headers, body } = await ask(origin, "/");
  expect([status, body]).toEqual([200, "<title>Dovetail</title>"]);
  const port = new URL(origin).host;
  expect(headers["content-security-policy"]).toContain(`connect-src 'self' ws://${port};`);
  expect(headers["content-security-policy"]).toContain("default-src 'none'; script-src 'self';");
  expect(headers["content-security-policy"]).not.toContain("unsafe");
  expect(headers).toMatchObject({
    "content-type": "text/html; charset=utf-8",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
  });
  expect((await ask(origin, "/assets/index-1.js")).headers["cache-control"]).toContain("immutable");
});

test.each([
  "/missing.html",
  "/notes.txt",
  "/assets",
  "/../secret.json",
  "/%2e%2e/secret.json",
  "/..%2fsecret.json",
  "/assets/../../secret.json",
  "/..%5csecret.json",
  "/%00",
  "/%",
  "//",
  "http://127.0.0.1/index.html",
  "/api",
])("there is no file at %s", async (path) => {
  const { origin } = await serve();
  const { status, headers } = await ask(origin, path);
  expect(status).toBe(404);
  expect(headers["x-content-type-options"]).toBe("nosniff");
});

test.each(["attacker.example", "localhost", "127.0.0.1", "127.0.0.1:1"])(
  "a request to the host %j is refused, against DNS rebinding",
  async (host) => {
    const { origin } = await serve();
    expect((await ask(origin, "/", { host })).status).toBe(403);
  },
);

test("nothing but reading is answered", async () => {
  const { origin } = await serve();
  expect((await ask(origin, "/", { method: "POST" })).status).toBe(405);
  expect((await ask(origin, "/", { method: "HEAD" })).status).toBe(200);
});

test.each<[string, Knock]>([
  ["another page's origin", { origin: "https://attacker.example" }],
  ["another port's origin", { origin: "http://127.0.0.1:1" }],
  ["no origin", { origin: undefined }],
  ["another host", { host: "attacker.example" }],
  ["another path", { path: "/" }],
  ["no secret", { protocols: ["dovetail"] }],
  ["a wrong secret", { protocols: ["dovetail", `secret.${"x".repeat(SECRET.length)}`] }],
  ["a longer secret", { protocols: ["dovetail", `secret.${SECRET}x`] }],
  ["the beginning of the secret", { protocols: ["dovetail", `secret.${SECRET.slice(0, 8)}`] }],
  ["the secret alone", { protocols: [`secret.${SECRET}`] }],
])("the API is closed to a connection with %s", async (_what, knock) => {
  const { origin, listeners } = await serve();
  expect(await connect(origin, knock)).toBeNull();
  expect(listeners.size).toBe(0);
  // The server is sound: the right one still gets in.
  expect(await connect(origin)).not.toBeNull();
});

test("the page calls and hears, and is forgotten when it goes", async () => {
  const { origin, listeners, dispatch } = await serve();
  const page = (await connect(origin)) as WebSocket;
  expect(page.protocol).toBe("dovetail");
  const answered = nextMessage(page);
  page.send(JSON.stringify({ jsonrpc: "2.0", id: 1, method: "settings.get" }));
  expect(await answered).toEqual({ jsonrpc: "2.0", id: 1, result: { method: "settings.get" } });
  expect(dispatch).toHaveBeenCalledTimes(1);

  const heard = nextMessage(page);
  const settings = { directEnabled: true, notifications: true, theme: "dark" } as const;
  for (const listener of listeners) listener({ event: "settings.changed", data: settings });
  expect(await heard).toEqual({ jsonrpc: "2.0", method: "settings.changed", params: settings });

  page.close();
  await expect.poll(() => listeners.size).toBe(0);
});

test("what is not a text ends the connection", async () => {
  const { origin } = await serve();
  const page = (await connect(origin)) as WebSocket;
  const code = new Promise((done) => page.once("close", done));
  page.send(Buffer.from([1, 2, 3]));
  expect(await code).toBe(1003);
});

test("a message over the limit ends the connection", async () => {
  const { origin, dispatch } = await serve();
  const page = (await connect(origin)) as WebSocket;
  const code = new Promise((done) => page.once("close", done));
  page.send("x".repeat(1_048_577));
  expect(await code).toBe(1009);
  expect(dispatch).not.toHaveBeenCalled();
});

test("sixteen pages at once, and no more", async () => {
  const { origin } = await serve();
  const pages = await Promise.all(Array.from({ length: 17 }, () => connect(origin)));
  expect(pages.filter((page) => page !== null)).toHaveLength(16);
});

test("closing tells the pages to come back later and frees the port", async () => {
  const { origin, server } = await serve();
  const page = (await connect(origin)) as WebSocket;
  const code = new Promise((done) => page.once("close", done));
  await server.close();
  expect(await code).toBe(1001);
  await expect(ask(origin, "/")).rejects.toThrow();
});

test("several pages are one device to the core: the one that the person is at, then none", async () => {
  const { origin, dispatch } = await serve();
  const told = () =>
    dispatch.mock.calls.map((call) => (call as unknown[])[1] as Record<string, unknown>);
  const [one, two] = [(await connect(origin)) as WebSocket, (await connect(origin)) as WebSocket];
  const set = async (page: WebSocket, params: object) => {
    const answered = nextMessage(page);
    page.send(JSON.stringify({ jsonrpc: "2.0", id: 1, method: "attention.set", params }));
    await answered;
  };
  const conversationId = "cc".repeat(16);
  await set(one, { conversationId, active: true });
  await set(two, { conversationId: null, active: false, alerts: false });
  expect(told()).toEqual([
    { conversationId, active: true, alerts: true },
    { conversationId, active: true, alerts: true },
  ]);
  one.close();
  await expect.poll(told).toHaveLength(3);
  two.close();
  await expect.poll(told).toHaveLength(4);
  const nobody = { conversationId: null, active: false, alerts: false };
  expect(told().slice(2)).toEqual([nobody, nobody]);
  expect(dispatch).toHaveBeenLastCalledWith("attention.set", nobody);
});
