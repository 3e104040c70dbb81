/** The headless host: the client API as JSON-RPC 2.0 lines on stdin and stdout. */
import { DovetailError } from "../../shared/errors.js";
import type { Client } from "../client/index.js";
import { nodeTransport } from "../direct/node-transport.js";
import { fileModeProtector } from "../node/device-keys.js";
import { type LogLevel, stderrLog } from "../node/log.js";
import { hostCommand } from "../node/options.js";
import { openProfileClient } from "../node/profile.js";
import { errorMessage, eventMessage, MAX_MESSAGE_BYTES, RpcServer } from "../rpc/json-rpc.js";
import { readLines } from "../rpc/lines.js";
import { describeApi } from "./help.js";

/** Bytes that may wait for the reader of stdout. One that is so far behind has stopped reading. */
const MAX_WAITING_BYTES = 64 * 1024 * 1024;

const write = (message: string): void => {
  process.stdout.write(`${message}\n`);
  if (process.stdout.writableLength > MAX_WAITING_BYTES) {
    process.stderr.write("Nobody reads the output; ending.\n");
    process.exit(1);
  }
};

async function run(client: Client): Promise<void> {
  client.subscribe((event) => write(eventMessage(event)));
  const server = new RpcServer(client, write);
  const running = new Set<Promise<void>>();
  await new Promise<void>((ended) => {
    readLines(process.stdin, MAX_MESSAGE_BYTES, {
      line(text) {
        const call = server.receive(text).finally(() => running.delete(call));
        running.add(call);
      },
      tooLong: () =>
        write(errorMessage(null, new DovetailError("invalid_request", "The line is too long."))),
      end: ended,
    });
    process.once("SIGTERM", ended);
    process.once("SIGINT", ended);
  });
  await Promise.allSettled(running);
  await client.close();
}

const command = hostCommand("headless", "Dovetail without a window, for scripts, bots and tests.")
  .addHelpText("after", describeApi)
  .parse();
const options = command.opts<{
  profile: string;
  relay: string;
  deviceName: string;
  logLevel: LogLevel;
}>();
const log = stderrLog(options.logLevel);
// A reader that went away ends this host as a closed stdin does.
process.stdout.on("error", () => process.exit(1));
try {
  await run(
    await openProfileClient({
      profile: options.profile,
      relayUrl: options.relay,
      deviceName: options.deviceName,
      direct: nodeTransport(log),
      protector: fileModeProtector,
      log,
    }),
  );
  // wrtc keeps threads alive for a while after its last connection.
  process.exit(0);
} catch (error) {
  write(errorMessage(null, error));
  process.exit(1);
}
