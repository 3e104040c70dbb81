import { pino } from "pino";
import { DovetailError } from "../shared/errors.js";
import { OptionsError, type RelayOptions, readOptions } from "./options.js";
import { type RelayServer, startRelayServer } from "./server/server.js";

const WRONG_OPTION = 2;
const FAILED = 1;

function options(): RelayOptions | null {
  try {
    return readOptions(process.argv.slice(2), process.env, (help) => process.stdout.write(help));
  } catch (error) {
    if (!(error instanceof OptionsError)) throw error;
    process.stderr.write(`${error.message}\nSee --help for what there is.\n`);
    process.exit(WRONG_OPTION);
  }
}

/** For whoever starts it; the log has the rest. */
function reason(error: unknown): string {
  if (error instanceof DovetailError) return error.message;
  const { code, message } = error as NodeJS.ErrnoException;
  return code === "EADDRINUSE" ? "The port is in use already." : message;
}

const chosen = options();
if (chosen) {
  const logger = pino({ level: chosen.logLevel }, pino.destination({ dest: 2, sync: true }));
  let server: RelayServer;
  try {
    server = await startRelayServer(chosen, logger);
  } catch (error) {
    logger.debug({ err: error }, "start.failed");
    process.stderr.write(`The relay cannot start. ${reason(error)}\n`);
    process.exit(FAILED);
  }

  let stopping = false;
  const stop = (signal: string): void => {
    // A second signal means that whoever sent it will not wait.
    if (stopping) process.exit(FAILED);
    stopping = true;
    logger.info({ signal }, "relay.stopping");
    void server.close().then(
      () => {
        logger.info("relay.stopped");
        process.exit(0);
      },
      (error) => {
        logger.error({ err: error }, "relay.stop-failed");
        process.exit(FAILED);
      },
    );
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);

  const { url, http } = server;
  logger.info({ url }, "relay.listening");
  process.stdout.write(`${JSON.stringify({ event: "listening", url, http })}\n`);
}
