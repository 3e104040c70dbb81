import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { type RawData, type WebSocket, WebSocketServer } from "ws";
import type { Log } from "../../shared/runtime.js";
import type { Metrics } from "../core/ports.js";
import type { Relay } from "../core/relay.js";
import type { Admission } from "./admission.js";
import {
  CLOSE_GRACE_MS,
  DRAINING_RETRY_S,
  MAX_MESSAGE_BYTES,
  REFUSAL_GRACE_MS,
  UNPROVEN_PART,
} from "./bounds.js";
import type { Limits } from "./limits.js";
import { WebSocketWire } from "./wire.js";

export interface GatewayOptions {
  readonly maxConnections: number;
  /** Believe the proxy in front about who connects. */
  readonly trustProxy: boolean;
}

/** Takes WebSocket connections and hands them to the relay. */
export class Gateway {
  readonly #relay: Relay;
  readonly #limits: Limits;
  readonly #admission: Admission;
  readonly #metrics: Metrics;
  readonly #log: Log;
  readonly #options: GatewayOptions;
  readonly #server = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_MESSAGE_BYTES,
    // Payloads will be encrypted, which does not compress, and a zip bomb costs more than it saves.
    perMessageDeflate: false,
    // Where ws itself ends a connection. Its types do not know of it yet.
    ...({ closeTimeout: CLOSE_GRACE_MS } as object),
  });

  constructor(
    relay: Relay,
    limits: Limits,
    admission: Admission,
    ports: { metrics: Metrics; log: Log },
    options: GatewayOptions,
  ) {
    this.#relay = relay;
    this.#limits = limits;
    this.#admission = admission;
    this.#metrics = ports.metrics;
    this.#log = ports.log;
    this.#options = options;
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on("error", (error) => this.#log.debug("socket.failed", { error }));
    const address = this.#addressOf(request);
    whereWaiting(socket, head, (all) => {
      const refusal = this.#refusal(request, address);
      if (refusal) refuse(socket, refusal);
      else this.#server.handleUpgrade(request, socket, all, (ws) => this.#accept(ws, address));
    });
  }

  /** Resolves when every socket is closed; each has got its close frame before. */
  async close(): Promise<void> {
    const open = [...this.#server.clients].map(
      (ws) => new Promise<void>((resolve) => ws.once("close", () => resolve())),
    );
    await Promise.all(open);
    this.#admission.stop();
    this.#server.close();
  }

  /** The status line and headers of an answer that takes no connection; null to take it. */
  #refusal(request: IncomingMessage, address: string): string | null {
    if (request.url?.split("?")[0] !== "/") return "404 Not Found";
    if (!this.#relay.takesClients) {
      return `503 Service Unavailable\r\nRetry-After: ${DRAINING_RETRY_S}`;
    }
    const { maxConnections } = this.#options;
    if (
      this.#server.clients.size >= maxConnections ||
      this.#relay.unproven >= Math.ceil(maxConnections * UNPROVEN_PART)
    ) {
      this.#metrics.count("full");
      return "503 Service Unavailable\r\nRetry-After: 1";
    }
    const waitMs = this.#limits.connection(address);
    if (waitMs > 0) {
      this.#metrics.count("rateLimited");
      return `429 Too Many Requests\r\nRetry-After: ${Math.ceil(waitMs / 1_000)}`;
    }
    const turnMs = this.#admission.take();
    if (turnMs === 0) return null;
    this.#metrics.count("deferred");
    return `503 Service Unavailable\r\nRetry-After: ${Math.ceil(turnMs / 1_000)}`;
  }

  #accept(ws: WebSocket, address: string): void {
    const wire = new WebSocketWire(ws);
    this.#limits.opened(address);
    const session = this.#relay.connect(wire, {
      registration: () => this.#limits.registration(address),
      request: (device) => this.#limits.request(device),
    });
    ws.on("message", (data: RawData, isBinary) => {
      const waitMs = this.#limits.frame(address);
      if (waitMs > 0) wire.rest(waitMs);
      // ws gives one Buffer per message unless told otherwise.
      if (isBinary) session.receive(data as Buffer);
      else session.receiveForeign();
    });
    ws.on("close", () => {
      this.#limits.closed(address);
      session.closed();
    });
    ws.on("error", (error) => this.#log.debug("connection.failed", { error }));
  }

  #addressOf(request: IncomingMessage): string {
    const direct = request.socket.remoteAddress ?? "";
    if (!this.#options.trustProxy) return direct;
    // The last one was added by the proxy itself; those before it anybody can invent.
    const forwarded = [request.headers["x-forwarded-for"] ?? []].flat().join(",").split(",");
    return forwarded.at(-1)?.trim() || direct;
  }
}

/**
 * Calls back with what has come on the socket, unless its other end has hung up. When very many come at
 * once, those who are read late have gone, and each would take the turn of somebody who is still there.
 */
function whereWaiting(socket: Duplex, head: Buffer, isWaiting: (head: Buffer) => void): void {
  const read = [head];
  const take = (bytes: Buffer): void => void read.push(bytes);
  const hungUp = (): void => void socket.destroy();
  socket.on("data", take).once("end", hungUp);
  // An end that is there already is read in the next turn of the loop, behind what came before it.
  setImmediate(() =>
    setImmediate(() => {
      socket.pause().off("data", take).off("end", hungUp);
      if (!socket.destroyed) isWaiting(Buffer.concat(read));
      // What is not read keeps the end of the other side from being heard.
      socket.resume();
    }),
  );
}

/** Node leaves such a socket to us, also where the other side never hangs up. */
function refuse(socket: Duplex, statusAndHeaders: string): void {
  const timer = setTimeout(() => socket.destroy(), REFUSAL_GRACE_MS).unref();
  socket.once("close", () => clearTimeout(timer));
  socket.end(`HTTP/1.1 ${statusAndHeaders}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}
