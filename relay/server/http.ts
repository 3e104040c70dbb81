import Fastify, { type FastifyInstance } from "fastify";
import { Registry } from "prom-client";
import type { TlsPair } from "../tls.js";
import { REQUEST_LOOK_MS, REQUEST_MS, SPARE_SOCKETS } from "./bounds.js";

/** What operators and their tools ask; and where clients knock, who then go on by WebSocket. */
export function httpServer(
  ready: () => boolean,
  metrics: () => Promise<string>,
  tls: TlsPair | null,
  maxConnections: number,
): FastifyInstance {
  // Whoever connects and says nothing, or one byte now and then, is not waited for.
  const patience = { headersTimeout: REQUEST_MS, connectionsCheckingInterval: REQUEST_LOOK_MS };
  const app = Fastify({
    logger: false,
    forceCloseConnections: true,
    requestTimeout: REQUEST_MS,
    // Fastify's types for these are others, of which nothing here makes use.
    ...((tls
      ? { https: { ...tls, ...patience, handshakeTimeout: REQUEST_MS } }
      : { http: patience }) as object),
  });
  app.server.maxConnections = maxConnections + SPARE_SOCKETS;
  app.get("/healthz", async () => ({ status: "ok" }));
  app.get("/readyz", async (_request, reply) =>
    ready() ? { status: "ready" } : reply.code(503).send({ status: "not ready" }),
  );
  app.get("/metrics", async (_request, reply) =>
    reply.type(Registry.PROMETHEUS_CONTENT_TYPE).send(await metrics()),
  );
  return app;
}
