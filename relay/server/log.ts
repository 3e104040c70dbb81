import type { Logger } from "pino";
import type { Log } from "../../shared/runtime.js";

export function logOf(logger: Logger): Log {
  return {
    debug: (event, fields = {}) => logger.debug(serialisable(fields), event),
    info: (event, fields = {}) => logger.info(serialisable(fields), event),
    warn: (event, fields = {}) => logger.warn(serialisable(fields), event),
    error: (event, fields = {}) => logger.error(serialisable(fields), event),
  };
}

/** pino writes stack and causes of what is called `err`. */
function serialisable(fields: object): object {
  if (!("error" in fields)) return fields;
  const { error, ...rest } = fields;
  return { ...rest, err: error };
}
