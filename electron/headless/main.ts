/** The headless host: the client API as JSON-RPC 2.0 lines on stdin and stdout. */
import { once } from "node:events";
import { DovetailError } from "../../shared/errors.js";
import type { Client } from "../client/index.js";
import { stderrLog } from "../node/log.js";
import { type HostOptions, hostCommand } from "../node/options.js";
import { openPlainClient } from "../node/plain-client.js";
import { errorMessage, eventMessage, MAX_MESSAGE_BYTES, RpcServer } from "../rpc/json-rpc.js";
import { readLines } from "../rpc/lines.js";
import { describeApi } from "./help.js";
import { LineOutput } from "./output.js";

/** Requests being worked on; the next one is read when one of them is answered. */
const MAX_RUNNING = 512;

const output = new LineOutput(process.stdout);

/** Resolves when stdin has ended and all that came from it is answered. */
async function serve(client: Client): Promise<void> {
  const server = new RpcServer(client, (message) => output.write(message));
  const running = new Set<Promise<void>>();
  for await (const line of readLines(process.stdin, MAX_MESSAGE_BYTES)) {
    if (line === null) {
      const error = new DovetailError("invalid_request", "The line is too long.");
      output.write(errorMessage(null, error));
      continue;
    }
    const call: Promise<void> = server.receive(line).finally(() => running.delete(call));
    running.add(call);
    if (running.size >= MAX_RUNNING) await Promise.race(running);
    await output.caughtUp();
  }
  await Promise.all(running);
}

async function run(client: Client): Promise<number> {
  client.subscribe((event) => output.write(eventMessage(event)));
  const lost = output.lost.then((reason) => {
    process.stderr.write(`Ending: ${reason}.\n`);
    return 1;
  });
  const told = Promise.race([once(process, "SIGTERM"), once(process, "SIGINT")]).then(() => 0);
  const code = await Promise.race([serve(client).then(() => 0), told, lost]);
  await client.close();
  await output.flushed();
  return code;
}

const command = hostCommand("headless", "Dovetail without a window, for scripts, bots and tests.")
  .addHelpText("after", describeApi)
  .parse();
const options = command.opts<HostOptions>();
const log = stderrLog(options.logLevel);
try {
  const client = await openPlainClient(options, log);
  // wrtc keeps threads alive for a while after its last connection.
  process.exit(await run(client));
} catch (error) {
  output.write(errorMessage(null, error));
  await output.flushed();
  process.exit(1);
}
