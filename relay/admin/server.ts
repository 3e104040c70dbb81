import { chmod, mkdir, rm } from "node:fs/promises";
import { connect } from "node:net";
import { Readable } from "node:stream";
import Fastify from "fastify";
import { DovetailError } from "../../shared/errors.js";
import type { Log } from "../../shared/runtime.js";
import { type AdminCall, type AdminHandlers, type AdminParams, adminCalls } from "./contract.js";
import { adminSocketPath } from "./socket-path.js";

/** Who may connect may do anything: the relay's own user and nobody else. */
const OWNER_ONLY = 0o600;

export interface AdminServer {
  /** From now on whoever asks is told that the relay stops: it is there still, and what it has closes. */
  refuse(): void;
  close(): Promise<void>;
}

/** Milliseconds in which whoever has asked still gets an answer from a relay that stops. */
const LAST_ANSWER_MS = 1_000;

/** Begins a backup, whose bytes are read as whoever asked takes them. */
export type BackUp = () => Promise<AsyncGenerator<Uint8Array>>;

/**
 * Listens on a socket that belongs to the data folder, and never on a port.
 * @throws Node's error where it cannot listen there.
 */
export async function startAdminServer(
  data: string,
  handlers: AdminHandlers,
  log: Log,
  backUp?: BackUp,
): Promise<AdminServer> {
  const path = adminSocketPath(data);
  const app = Fastify({ logger: false, forceCloseConnections: "idle" });
  let refusing = false;
  app.addHook("onRequest", async () => {
    if (refusing) throw new DovetailError("shutting_down");
  });
  app.addHook("preClose", async () => {
    setTimeout(() => app.server.closeAllConnections(), LAST_ANSWER_MS).unref();
  });
  for (const name of Object.keys(adminCalls) as AdminCall[]) {
    app.post(`/${name}`, async ({ body }) => answer(name, handlers, body));
  }
  if (backUp) {
    app.get("/backup", async (_request, reply) => {
      const bytes = await backUp();
      const stream = Readable.from(bytes, { objectMode: false });
      // Also where nobody came to read any of it.
      stream.on("close", () => void bytes.return(undefined));
      stream.on("error", (error) => log.warn("backup.broken-off", { error }));
      return reply.type("application/octet-stream").send(stream);
    });
  }
  app.setErrorHandler((thrown: Error & { statusCode?: number }, _request, reply) => {
    const client = thrown.statusCode !== undefined && thrown.statusCode < 500;
    const error = client
      ? new DovetailError("invalid_params", thrown.message)
      : DovetailError.from(thrown);
    if (error.code === "internal") log.error("admin.failed", { error });
    return reply.code(statusOf(error)).send({ code: error.code, message: error.message });
  });
  const isPipe = process.platform === "win32";
  if (!isPipe) {
    await mkdir(data, { recursive: true });
    await removeStale(path);
  }
  try {
    // By itself, also where the port is shared by workers.
    await app.listen({ path, exclusive: true });
    if (!isPipe) await chmod(path, OWNER_ONLY);
  } catch (error) {
    await app.close();
    throw error;
  }
  return {
    refuse() {
      refusing = true;
    },
    async close() {
      await app.close();
    },
  };
}

async function answer<C extends AdminCall>(name: C, handlers: AdminHandlers, body: unknown) {
  const checked = adminCalls[name].params.safeParse(body ?? {});
  if (!checked.success) {
    const [issue] = checked.error.issues;
    const where = issue?.path.join(".") || name;
    throw new DovetailError("invalid_params", `${where} is wrong: ${issue?.message}`);
  }
  return handlers[name](checked.data as AdminParams<C>);
}

function statusOf({ code }: DovetailError): number {
  if (code === "not_found") return 404;
  return code === "internal" ? 500 : 400;
}

/** The socket of a relay that was killed is still there, and nobody answers. */
async function removeStale(path: string): Promise<void> {
  const answered = await new Promise<boolean>((resolve) => {
    const socket = connect(path, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
  if (!answered) await rm(path, { force: true });
}
