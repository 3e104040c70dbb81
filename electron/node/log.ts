import pino from "pino";
import type { Log } from "../../shared/runtime.js";

export const logLevels = ["debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof logLevels)[number];

/** One JSON object a line on stderr, which leaves stdout to the protocol. */
export function stderrLog(level: LogLevel): Log {
  const logger = pino({ level, base: null }, pino.destination({ dest: 2, sync: true }));
  const at = (name: "debug" | "info" | "warn" | "error") => (event: string, fields?: object) =>
    logger[name](fields ?? {}, event);
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}
