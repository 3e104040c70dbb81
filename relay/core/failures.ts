import { DovetailError, type ErrorCode } from "../../shared/errors.js";
import { type RelayFrame, relayFrames } from "../../shared/protocol.js";
import type { Log } from "../../shared/runtime.js";

/** Errors of reading the store, whose codes would tell a client about its own profile. */
const OWN_AFFAIRS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "profile_corrupt",
  "profile_newer",
  "profile_in_use",
  "disk_full",
  "closed",
  "internal",
]);

/** Characters of an error's message, which as UTF-8 fit the frame. */
const MAX_MESSAGE = 256;

/** What a client may be told of it. */
export function presentable(thrown: unknown, log: Log): DovetailError {
  const error = DovetailError.from(thrown);
  if (!OWN_AFFAIRS.has(error.code)) return error;
  log.error("request.failed", { error });
  return new DovetailError("internal", "The relay failed to handle the request.");
}

export const errorFrame = (requestId: number | null, error: DovetailError): RelayFrame => ({
  type: "error",
  requestId,
  code: error.code,
  message: error.message.slice(0, MAX_MESSAGE),
  retryAfterMs: error.retryAfterMs === undefined ? null : Math.ceil(error.retryAfterMs),
  expected: error.expected ?? null,
});

/** What another node refused something with, by an encoded error frame. */
export function refusedBy(frame: Uint8Array): DovetailError {
  const answer = relayFrames.decode(frame);
  if (answer.type !== "error") return new DovetailError("internal");
  const retryAfterMs = answer.retryAfterMs ?? undefined;
  return new DovetailError(answer.code, answer.message, { retryAfterMs });
}
