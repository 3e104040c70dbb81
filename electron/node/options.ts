import { hostname } from "node:os";
import { Command, InvalidArgumentError, Option } from "commander";
import { type LogLevel, logLevels } from "./log.js";

export const relayUrl = (value: string): string => {
  const url = URL.canParse(value) ? new URL(value) : null;
  if (url?.protocol !== "ws:" && url?.protocol !== "wss:") {
    throw new InvalidArgumentError("A relay's address starts with ws:// or wss://.");
  }
  return url.href;
};

/** What {@link hostCommand} reads. */
export interface HostOptions {
  readonly profile: string;
  readonly relay: string;
  readonly deviceName: string;
  readonly logLevel: LogLevel;
}

/** The options that every host without Electron has. A wrong one ends with exit code 2. */
export const hostCommand = (name: string, description: string): Command =>
  new Command(name)
    .description(description)
    .requiredOption("--profile <folder>", "where history, outbox and device key are kept")
    .requiredOption("--relay <url>", "the relay's address, ws:// or wss://", relayUrl)
    .option("--device-name <name>", "how this device is called among one's own", hostname())
    .addOption(
      new Option("--log-level <level>", "what is logged to stderr")
        .choices(logLevels)
        .default("warn"),
    )
    .allowExcessArguments(false)
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));
