import Fastify, { type FastifyInstance } from "fastify";
import { Registry } from "prom-client";
import type { TlsPair } from "../tls.js";

/** What operators and their tools ask; and where clients knock, who then go on by WebSocket. */
export function httpServer(
  ready: () => boolean,
  metrics: () => Promise<string>,
  tls: TlsPair | null,
): FastifyInstance {
  const app = Fastify({
    logger: false,
    forceCloseConnections: true,
    // Fastify's type for TLS is another one, of which nothing here makes use.
    ...(tls && ({ https: tls } as object)),
  });
  app.get("/healthz", async () => ({ status: "ok" }));
  app.get("/readyz", async (_request, reply) =>
    ready() ? { status: "ready" } : reply.code(503).send({ status: "not ready" }),
  );
  app.get("/metrics", async (_request, reply) =>
    reply.type(Registry.PROMETHEUS_CONTENT_TYPE).send(await metrics()),
  );
  return app;
}
