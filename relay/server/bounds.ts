/** The bounds of the network side, with unit and reason. */
import { MAX_FRAME_BYTES } from "../../shared/limits.js";

/**
 * Bytes of a WebSocket message at which the socket is cut off while it is still being read. Above
 * the protocol's own bound, so that one slightly too large still gets an `error` frame.
 */
export const MAX_MESSAGE_BYTES = 2 * MAX_FRAME_BYTES;

/** Token buckets kept, per kind: those of whoever came last; about 200 bytes each. */
export const MAX_BUCKETS = 50_000;

/** Milliseconds that a client has to take the close frame. */
export const CLOSE_GRACE_MS = 3_000;

/** A bucket holds this many seconds' worth of tokens: short bursts are normal use. */
export const BURST_SECONDS = 4;

/** Milliseconds after which an address that has as many connections as it may may ask again. */
export const FULL_RETRY_MS = 5_000;

/** Seconds after which whoever would connect while the relay drains may ask again. */
export const DRAINING_RETRY_S = 5;
