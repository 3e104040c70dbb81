import { pino } from "pino";
import { DovetailError } from "../../shared/errors.js";
import { OptionsError, type RelayOptions, readOptions } from "../options.js";
import { startRelayServer } from "../server/server.js";
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
    const server = await startRelayServer(options, logger);
    const stopped = signalled((signal) => logger.info({ signal }, "relay.stopping"));
    const { url, http } = server;
    logger.info({ url }, "relay.listening");
    process.stdout.write(`${JSON.stringify({ event: "listening", url, http })}\n`);
    await stopped;
    try {
      await server.close();
    } catch (error) {
      logger.error({ err: error }, "relay.stop-failed");
      return FAILED;
    }
    logger.info("relay.stopped");
    return OK;
  } catch (error) {
    logger.debug({ err: error }, "start.failed");
    process.stderr.write(`The relay cannot start. ${reason(error)}\n`);
    return FAILED;
  }
}

function signalled(told: (signal: string) => void): Promise<void> {
  return new Promise((resolve) => {
    let stopping = false;
    const stop = (signal: string): void => {
      // A second signal means that whoever sent it will not wait.
      if (stopping) process.exit(FAILED);
      stopping = true;
      told(signal);
      resolve();
    };
    process.on("SIGTERM", stop);
    process.on("SIGINT", stop);
  });
}
