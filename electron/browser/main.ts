/** The browser host: the same core and the same renderer, in the person's own browser. */
import { randomBytes } from "node:crypto";
import { resolve } from "node:path";
import { InvalidArgumentError } from "commander";
import { DovetailError } from "../../shared/errors.js";
import { stderrLog } from "../node/log.js";
import { type HostOptions, hostCommand } from "../node/options.js";
import { openPlainClient } from "../node/plain-client.js";
import { openPage } from "./open-page.js";
import { startBrowserServer } from "./server.js";

const portNumber = (value: string): number => {
  const port = Number(value);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new InvalidArgumentError("A port is a number from 0 to 65535.");
  }
  return port;
};

const options = hostCommand("browser", "Dovetail in this computer's web browser.")
  .option("--port <number>", "port on 127.0.0.1; 0 for any", portNumber, 0)
  .option("--no-open", "print the address instead of opening it")
  .parse()
  .opts<HostOptions & { port: number; open: boolean }>();
const log = stderrLog(options.logLevel);

try {
  const client = await openPlainClient(options, log);
  const server = await startBrowserServer({
    client,
    files: resolve(import.meta.dirname, "../renderer"),
    secret: randomBytes(32).toString("base64url"),
    port: options.port,
    log,
  });
  process.stdout.write(`${JSON.stringify({ event: "ready", url: server.url })}\n`);
  if (options.open) openPage(server.ticketUrl());
  await new Promise((stop) => {
    process.once("SIGTERM", stop);
    process.once("SIGINT", stop);
  });
  await server.close();
  await client.close();
  process.exit(0);
} catch (error) {
  const { code, message } = DovetailError.from(error);
  process.stderr.write(`Dovetail cannot start: ${message} (${code})\n`);
  process.exit(1);
}
