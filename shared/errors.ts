/**
 * Every error that crosses a boundary (wire, IPC, stdio) is one of these codes. The sentence beside
 * a code is its documentation: docs and `--help` print it.
 */
export const errorCodes = {
  // The wire between a client and a relay
  malformed_frame: "The bytes are not a frame of this protocol.",
  frame_too_large: "The frame is larger than the relay accepts.",
  unsupported_version: "Client and relay share no protocol version; the older one needs an update.",
  unexpected_frame: "The frame is valid but not at this point of the connection.",
  not_authenticated: "The connection has not proved possession of a device key.",
  bad_signature: "A signature does not fit the key and what was signed.",
  unknown_device: "The relay knows no such device; it was never registered here, or was removed.",
  handle_taken: "Somebody else has that handle.",
  handle_invalid:
    "A handle has 3 to 32 of the characters a to z, 0 to 9 and _, and starts with a letter.",
  invite_required: "This relay asks for an invite code.",
  invite_invalid: "The invite code is unknown or used up.",
  rate_limited: "Too many requests; try again after the time given.",
  overloaded: "The relay has more work than it can take; try again after the time given.",
  shutting_down: "The relay is stopping; connect again in a moment.",
  too_slow: "The connection did not take what was sent to it in time and was dropped.",
  not_found: "There is no such thing, or it is not for you.",
  not_a_member: "You are not a member of that conversation.",
  not_online: "The other device is not connected.",
  out_of_order: "An entry before this one is missing; send from the number given.",
  origin_conflict: "Another entry already has this origin.",
  payload_too_large: "The message is too long.",
  storage_failed: "The relay could not write to its disk; nothing was acknowledged.",
  // The client
  parse_error: "The line is not JSON.",
  invalid_request: "The JSON is not a JSON-RPC 2.0 request.",
  unknown_method: "There is no such method.",
  invalid_params: "The parameters do not fit the method.",
  not_registered: "This profile has no account yet.",
  already_registered: "This profile has an account already.",
  relay_unreachable: "The relay cannot be reached now.",
  wrong_relay: "This profile belongs to another relay.",
  timeout: "No answer came in time.",
  profile_in_use: "Another Dovetail uses this profile.",
  profile_corrupt: "The profile is damaged and cannot be read.",
  profile_newer: "The profile was written by a newer Dovetail.",
  disk_full: "The disk is full; nothing was sent.",
  closed: "The client is closing.",
  internal: "A fault in Dovetail itself.",
  // Codes travel by their place in this list: new ones stand at its end.
  device_removed: "This device was removed from its account.",
  pairing_unknown:
    "The code is wrong, was used, or is too old; show a new one on the other device.",
  too_many_devices: "The account has as many devices as it may have; remove one first.",
  not_allowed: "Only an admin of the group may do that.",
  stale_epoch: "The group's membership has changed meanwhile; look at it again.",
  group_full: "The group has as many members as it may have.",
  link_invalid: "The invite link is wrong, was revoked, has expired or is used up.",
  too_many_invites: "The group has as many invite links as it may have; revoke one first.",
  blocked: "You have blocked this person; unblock them first.",
} as const;

export type ErrorCode = keyof typeof errorCodes;

export const isErrorCode = (value: unknown): value is ErrorCode =>
  typeof value === "string" && Object.hasOwn(errorCodes, value);

export interface ErrorDetail {
  /** Wait at least this long before trying again, in milliseconds. */
  readonly retryAfterMs?: number | undefined;
  /** With `out_of_order`: the n that the relay expects next of this device in this conversation. */
  readonly expected?: number | undefined;
  readonly cause?: unknown;
}

/** The one error class of the project. */
export class DovetailError extends Error {
  override readonly name = "DovetailError";
  readonly code: ErrorCode;
  readonly retryAfterMs: number | undefined;
  readonly expected: number | undefined;

  constructor(code: ErrorCode, message: string = errorCodes[code], detail: ErrorDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.code = code;
    this.retryAfterMs = detail.retryAfterMs;
    this.expected = detail.expected;
  }

  /** Anything thrown, as one of ours; what was not becomes `internal`, with its cause kept. */
  static from(thrown: unknown): DovetailError {
    if (thrown instanceof DovetailError) return thrown;
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    return new DovetailError("internal", message, { cause: thrown });
  }
}
