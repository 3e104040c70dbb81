import { DovetailError, type ErrorCode } from "../../shared/errors.js";
import { type RelayFrame, relayFrames } from "../../shared/protocol.js";
import type { Log } from "../../shared/runtime.js";
import { RECOVERY_MS } from "./bounds.js";

/** Errors of reading the store, whose codes would tell a client about its own profile. */
const OWN_AFFAIRS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "profile_corrupt",
  "profile_newer",
  "profile_in_use",
  "disk_full",
  "closed",
  "internal",
]);

/** Refusals that are over after a while: each says after how long. */
const PASSING: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "rate_limited",
  "overloaded",
  "shutting_down",
  "storage_failed",
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

export function errorFrame(requestId: number | null, error: DovetailError): RelayFrame {
  const retryAfterMs = error.retryAfterMs ?? (PASSING.has(error.code) ? RECOVERY_MS : null);
  return {
    type: "error",
    requestId,
    code: error.code,
    message: error.message.slice(0, MAX_MESSAGE),
    retryAfterMs: retryAfterMs === null ? null : Math.ceil(retryAfterMs),
    expected: error.expected ?? null,
  };
}

/** What another node refused something with, by an encoded error frame. */
export function refusedBy(frame: Uint8Array): DovetailError {
  const answer = relayFrames.decode(frame);
  if (answer.type !== "error") return new DovetailError("internal");
  const retryAfterMs = answer.retryAfterMs ?? undefined;
  return new DovetailError(answer.code, answer.message, { retryAfterMs });
}
