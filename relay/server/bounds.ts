/** The bounds of the network side, with unit and reason. */
import { MAX_FRAME_BYTES } from "../../shared/limits.js";

/**
 * Bytes of a WebSocket message at which the socket is cut off while it is still being read. Above
 * the protocol's own bound, so that one slightly too large still gets an `error` frame.
 */
export const MAX_MESSAGE_BYTES = 2 * MAX_FRAME_BYTES;

/** Milliseconds that somebody has from connecting until the TLS handshake, and then the request, is there. */
export const REQUEST_MS = 10_000;

/** Milliseconds between two looks for whoever has taken longer. */
export const REQUEST_LOOK_MS = 1_000;

/**
 * Sockets above the connections that are allowed: of those who have not asked yet, are refused, or ask how
 * the relay is. Without an end to them the store would find no file descriptor left.
 */
export const SPARE_SOCKETS = 1_024;

/** Milliseconds that somebody has to take the answer that they are not taken, and to hang up. */
export const REFUSAL_GRACE_MS = 1_000;

/** Of all connections those that may be of nobody known: so that some are left for others. */
export const UNPROVEN_PART = 0.5;

/** Milliseconds that a client has to take the close frame. */
export const CLOSE_GRACE_MS = 3_000;

/** A bucket holds this many seconds' worth of tokens: short bursts are normal use. */
export const BURST_SECONDS = 4;

/**
 * Frames of one address that are over its rate and are paid back, in seconds' worth: longer than it takes to
 * read what was on its way already, and shorter than clients wait for a relay that says nothing.
 */
export const OWED_SECONDS = 15;

/** Milliseconds after which an address that has as many connections as it may may ask again. */
export const FULL_RETRY_MS = 5_000;

/** Seconds after which whoever would connect while the relay drains may ask again. */
export const DRAINING_RETRY_S = 5;

/** Milliseconds between two looks at whether the process keeps up with its connections. */
export const ADMISSION_LOOK_MS = 250;

/** Milliseconds that a timer may be late before a process takes fewer connections a second. */
export const LATE_MS = 200;

/** How many times as many it takes after each look at which it was not late, and at which it was. */
export const ADMISSION_RISE = 1.1;
export const ADMISSION_FALL = 0.8;

/**
 * Connections a second that it takes however late it is: so few are seldom why, and with fewer nobody would
 * see the end. Each costs some milliseconds of processor, on a machine that may have others to serve.
 */
export const LEAST_ADMITTED = 20;

/** Connections that it takes at once, as the part of a second in which as many are taken. */
export const ADMISSION_BURST = 0.25;

/** Milliseconds that somebody is told to wait at the longest: until then many things change. */
export const MAX_TURN_MS = 30_000;
