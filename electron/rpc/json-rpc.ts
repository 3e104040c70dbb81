/** JSON-RPC 2.0 (https://www.jsonrpc.org/specification) over any stream of messages. */
import { z } from "zod";
import type { ClientEvent } from "../../shared/client-api.js";
import { DovetailError, type ErrorCode } from "../../shared/errors.js";

/** Bytes of one message: the longest text, escaped, with room around it. */
export const MAX_MESSAGE_BYTES = 1_048_576;
/** Requests of one caller that are being worked on; more are refused. */
const MAX_RUNNING = 1_024;

const request = z.object({
  jsonrpc: z.literal("2.0"),
  id: z.union([z.string(), z.number(), z.null()]).optional(),
  method: z.string(),
  params: z.unknown().optional(),
});

/** JSON-RPC's own numbers; everything else is in the range left to applications. */
const numbers: Partial<Record<ErrorCode, number>> = {
  parse_error: -32700,
  invalid_request: -32600,
  unknown_method: -32601,
  invalid_params: -32602,
  internal: -32603,
};
const APPLICATION = -32000;

type Id = string | number | null;

/** What the server asks; the client core in production. */
export interface Callee {
  dispatch(method: string, params: unknown): Promise<unknown>;
}

export const errorMessage = (id: Id, thrown: unknown): string => {
  const { code, message, retryAfterMs } = DovetailError.from(thrown);
  const data = { code, ...(retryAfterMs !== undefined && { retryAfterMs }) };
  return JSON.stringify({
    jsonrpc: "2.0",
    id,
    error: { code: numbers[code] ?? APPLICATION, message, data },
  });
};

export const eventMessage = ({ event, data }: ClientEvent): string =>
  JSON.stringify({ jsonrpc: "2.0", method: event, params: data });

export class RpcServer {
  readonly #callee: Callee;
  readonly #send: (message: string) => void;
  #running = 0;

  constructor(callee: Callee, send: (message: string) => void) {
    this.#callee = callee;
    this.#send = send;
  }

  /** One message of the caller. Calls run side by side and begin in the order in which they came. */
  async receive(text: string): Promise<void> {
    let id: Id = null;
    let answered = true;
    this.#running++;
    try {
      const call = readRequest(text);
      id = call.id ?? null;
      answered = call.id !== undefined;
      if (this.#running > MAX_RUNNING) {
        throw new DovetailError("overloaded", "Too many requests at once.");
      }
      const result = await this.#callee.dispatch(call.method, call.params);
      if (answered) this.#send(JSON.stringify({ jsonrpc: "2.0", id, result }));
    } catch (error) {
      if (answered) this.#send(errorMessage(id, error));
    } finally {
      this.#running--;
    }
  }
}

function readRequest(text: string): z.infer<typeof request> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new DovetailError("parse_error", undefined, { cause });
  }
  if (Array.isArray(value)) {
    throw new DovetailError(
      "invalid_request",
      "Batches are not supported: send one request a line.",
    );
  }
  const parsed = request.safeParse(value);
  if (!parsed.success) throw new DovetailError("invalid_request");
  return parsed.data;
}
