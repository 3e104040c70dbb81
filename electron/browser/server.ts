/**
 * The browser host's server: the renderer's files and the client API, for the person at this
 * computer alone. It listens on 127.0.0.1; a request must name exactly that host (against DNS
 * rebinding), and the API in addition asks for the page's own origin and the secret of this launch.
 */
import { randomBytes, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import type { ClientApi } from "../../shared/client-api.js";
import type { Log } from "../../shared/runtime.js";
import { type Callee, eventMessage, MAX_MESSAGE_BYTES, RpcServer } from "../rpc/json-rpc.js";
import { pageHeaders } from "../security/headers.js";
import { serveFile } from "./files.js";
import { PageAttention } from "./page-attention.js";

/** Bytes that may wait for a page; one so far behind is closed and connects anew. */
const MAX_WAITING_BYTES = 32 * 1024 * 1024;
/** For a page's answer to the goodbye; a page that hangs gives none. */
const GOODBYE_MS = 1_000;
/** For a browser that has yet to start. */
const TICKET_MS = 60_000;
/** Pages open at once. */
const MAX_PAGES = 16;

export interface BrowserServerOptions {
  readonly client: Callee & Pick<ClientApi, "subscribe">;
  /** The folder of the built renderer. */
  readonly files: string;
  /** Printable ASCII without spaces. */
  readonly secret: string;
  /** 0 for any. */
  readonly port: number;
  readonly log: Log;
}

export interface BrowserServer {
  /** Where the page is, with the secret in its fragment, which no server sees. */
  readonly url: string;
  /**
   * An address that leads there once, soon: for the command line that opens the browser, which every
   * other person on this computer can read.
   */
  ticketUrl(): string;
  close(): Promise<void>;
}

export async function startBrowserServer(options: BrowserServerOptions): Promise<BrowserServer> {
  const http = createServer();
  await listen(http, options.port);
  const host = `127.0.0.1:${(http.address() as AddressInfo).port}`;
  const origin = `http://${host}`;
  const headers = pageHeaders([`ws://${host}`]);
  const url = `${origin}/#secret=${options.secret}`;
  const tickets = new Set<string>();

  http.on("request", (request, response) => {
    for (const [name, value] of Object.entries(headers)) {
      response.setHeader(name, value);
    }
    if (request.headers.host !== host) {
      response.writeHead(403, { "content-type": "text/plain" }).end("Not this address.\n");
    } else if (request.method !== "GET" && request.method !== "HEAD") {
      response.writeHead(405, { allow: "GET, HEAD" }).end();
    } else {
      // Not by URL, which takes "//host/" for an address, and throws for what is none.
      const [path = ""] = (request.url ?? "").split("?");
      if (tickets.delete(path)) {
        response.writeHead(302, { location: url, "cache-control": "no-store" }).end();
        return;
      }
      serveFile(options.files, path, response).catch((error: unknown) => {
        options.log.error("a file was not served", { error: String(error) });
        response.destroy();
      });
    }
  });

  const sockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: MAX_MESSAGE_BYTES,
    handleProtocols: () => "dovetail",
  });
  const attention = new PageAttention(options.client, options.log);
  http.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    // Nobody else listens at this point, and one that resets the connection must not end the host.
    socket.on("error", () => socket.destroy());
    const allowed =
      request.url === "/api" &&
      request.headers.host === host &&
      request.headers.origin === origin &&
      hasSecret(request.headers["sec-websocket-protocol"], options.secret) &&
      sockets.clients.size < MAX_PAGES;
    if (!allowed) {
      options.log.warn("a connection was refused", { origin: request.headers.origin ?? null });
      socket.end("HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n");
      return;
    }
    sockets.handleUpgrade(request, socket, head, (page) =>
      serveApi(page, options.client, attention),
    );
  });

  return {
    url,
    ticketUrl() {
      const path = `/open/${randomBytes(32).toString("base64url")}`;
      tickets.add(path);
      setTimeout(() => tickets.delete(path), TICKET_MS).unref();
      return origin + path;
    },
    async close() {
      for (const page of sockets.clients) page.close(1001);
      sockets.close();
      const closed = new Promise((done) => http.close(done));
      http.closeAllConnections();
      const impatience = setTimeout(() => {
        for (const page of sockets.clients) page.terminate();
      }, GOODBYE_MS);
      await closed;
      clearTimeout(impatience);
    },
  };
}

function serveApi(
  page: WebSocket,
  client: BrowserServerOptions["client"],
  attention: PageAttention,
): void {
  const send = (message: string) => {
    if (page.bufferedAmount > MAX_WAITING_BYTES) page.terminate();
    else if (page.readyState === page.OPEN) page.send(message);
  };
  const server = new RpcServer(attention.of(page), send);
  const unsubscribe = client.subscribe((event) => send(eventMessage(event)));
  page.on("message", (data, isBinary) => {
    if (isBinary) page.close(1003);
    else void server.receive(String(data));
  });
  page.on("error", () => page.terminate());
  page.on("close", () => {
    unsubscribe();
    void attention.left(page);
  });
}

/** The page offers `dovetail` and `secret.<secret>`: a WebSocket cannot send other headers. */
function hasSecret(offered: string | undefined, secret: string): boolean {
  const [first, second] = (offered ?? "").split(",").map((each) => each.trim());
  const given = Buffer.from(second ?? "");
  const expected = Buffer.from(`secret.${secret}`);
  return (
    first === "dovetail" && given.length === expected.length && timingSafeEqual(given, expected)
  );
}

const listen = (http: Server, port: number): Promise<void> =>
  new Promise((done, failed) => {
    http.once("error", failed);
    http.listen(port, "127.0.0.1", done);
  });
