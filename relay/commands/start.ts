import cluster from "node:cluster";
import { type Logger, pino } from "pino";
import { DovetailError } from "../../shared/errors.js";
import { OptionsError, type RelayOptions, readOptions } from "../options.js";
import { logOf } from "../server/log.js";
import { startRelayServer } from "../server/server.js";
import { takeSettings } from "../workers/messages.js";
import { Orders, tellPrimary } from "../workers/orders.js";
import { Primary } from "../workers/primary.js";
import { FAILED, OK, WRONG_OPTION } from "./exit-codes.js";

/** Runs a relay until it is told to stop. */
export async function start(args: readonly string[]): Promise<number> {
  let options: RelayOptions | null;
  try {
    options = readOptions(args, process.env, (help) => process.stdout.write(help));
  } catch (error) {
    if (!(error instanceof OptionsError)) throw error;
    process.stderr.write(`${error.message}\nSee --help for what there is.\n`);
    return WRONG_OPTION;
  }
  return options ? run(options) : OK;
}

/** For whoever starts it; the log has the rest. */
function reason(error: unknown): string {
  if (error instanceof DovetailError) return error.message;
  const { code, message } = error as NodeJS.ErrnoException;
  return code === "EADDRINUSE" ? "The port is in use already." : message;
}

async function run(options: RelayOptions): Promise<number> {
  const logger = pino({ level: options.logLevel }, pino.destination({ dest: 2, sync: true }));
  try {
    if (cluster.isWorker) return await work(options, logger);
    const relay = options.workers > 1 ? await several(options, logger) : await one(options, logger);
    const stopped = signalled((signal) => logger.info({ signal }, "relay.stopping"), relay.kill);
    if (options.tls) process.on("SIGHUP", () => relay.renew());
    const { url, http } = relay;
    logger.info({ url }, "relay.listening");
    process.stdout.write(`${JSON.stringify({ event: "listening", url, http })}\n`);
    const failure = await Promise.race([stopped, relay.drained, relay.failed]);
    if (failure) {
      logger.fatal({ reason: failure }, "relay.failed");
      process.stderr.write(`The relay ends. ${failure}\n`);
    }
    const code = await ended(relay.close(), logger);
    return failure ? FAILED : code;
  } catch (error) {
    logger.debug({ err: error }, "start.failed");
    if (cluster.isWorker) {
      tellPrimary({ type: "failed", reason: reason(error) });
      return FAILED;
    }
    process.stderr.write(`The relay cannot start. ${reason(error)}\n`);
    return FAILED;
  }
}

interface Running {
  readonly url: string;
  readonly http: string;
  /** An operator's command has sent all clients away. */
  readonly drained: Promise<void>;
  /** Resolves with why it cannot go on; null where that does not happen. */
  readonly failed: Promise<string | null>;
  close(): Promise<void>;
  /** Reads its certificate anew. */
  renew(): void;
  /** What a second signal asks for. */
  kill(): void;
}

async function one(options: RelayOptions, logger: Logger): Promise<Running> {
  const server = await startRelayServer(options, logger);
  const failed = server.lost.then(() => "NATS takes no more connections of it.");
  return { ...server, failed, kill: () => {} };
}

async function several(options: RelayOptions, logger: Logger): Promise<Running> {
  const { primary, listening } = await Primary.start(options, logOf(logger));
  return {
    ...listening,
    drained: primary.drained,
    failed: primary.failed,
    renew: () => primary.renew(),
    close: () => primary.stop(),
    kill: () => primary.kill(),
  };
}

/** One of several, until the first process says so or is gone. */
async function work(options: RelayOptions, logger: Logger): Promise<number> {
  const worker = takeSettings(process.env);
  const own = logger.child({ worker: worker.index });
  const orders = new Orders();
  const maxConnections = Math.ceil(options.maxConnections / worker.count);
  const drain = {
    told: orders.drain,
    askAll: (withinMs: number) => tellPrimary({ type: "drain", withinMs }),
  };
  const starting = startRelayServer({ ...options, maxConnections, worker, drain }, own);
  const server = await Promise.race([starting, orders.stop.then(() => null)]);
  if (!server) {
    // It has no clients yet. Its folders others may need until all are told to close.
    starting.catch((error) => own.debug({ err: error }, "start.failed"));
    tellPrimary({ type: "stopped" });
    await orders.close;
    return OK;
  }
  orders.onRenew(() => server.renew());
  const { url, http, port } = server;
  tellPrimary({ type: "listening", url, http, port });
  void server.drained.then(() => tellPrimary({ type: "drained" }));
  await orders.stop;
  const code = await ended(server.stop(), own);
  tellPrimary({ type: "stopped" });
  await orders.close;
  return (await ended(server.close(), own)) || code;
}

async function ended(end: Promise<void>, logger: Logger): Promise<number> {
  try {
    await end;
  } catch (error) {
    logger.error({ err: error }, "relay.stop-failed");
    return FAILED;
  }
  logger.info("relay.stopped");
  return OK;
}

function signalled(told: (signal: string) => void, kill: () => void): Promise<void> {
  return new Promise((resolve) => {
    let stopping = false;
    const stop = (signal: string): void => {
      // A second signal means that whoever sent it will not wait.
      if (stopping) {
        kill();
        process.exit(FAILED);
      }
      stopping = true;
      told(signal);
      resolve();
    };
    process.on("SIGTERM", stop);
    process.on("SIGINT", stop);
  });
}
