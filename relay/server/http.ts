import Fastify, { type FastifyInstance } from "fastify";
import { Registry } from "prom-client";

/** What operators and their tools ask. */
export function httpServer(ready: () => boolean, metrics: () => Promise<string>): FastifyInstance {
  const app = Fastify({ logger: false, forceCloseConnections: true });
  app.get("/healthz", async () => ({ status: "ok" }));
  app.get("/readyz", async (_request, reply) =>
    ready() ? { status: "ready" } : reply.code(503).send({ status: "not ready" }),
  );
  app.get("/metrics", async (_request, reply) =>
    reply.type(Registry.PROMETHEUS_CONTENT_TYPE).send(await metrics()),
  );
  return app;
}
