/** Named bounds of what workers of one machine keep of each other. */

/** Milliseconds between two tries to reach a worker that is not there. */
export const DIAL_MS = 25;

/** Milliseconds for which a question waits for a worker: longer than one needs to be started again. */
export const PATIENCE_MS = 8_000;

/** Milliseconds for which a starting worker waits for the others before it takes clients. */
export const GATHER_MS = 10_000;

/** Milliseconds for which a starting worker waits for an earlier one to let go of a folder. */
export const LOCK_MS = 10_000;

/** Milliseconds after which whoever got no answer from a worker is to ask again. */
export const RETRY_MS = 1_000;

/** Questions to one worker without an answer; beyond, they fail. */
export const MAX_CALLS = 65_536;

/**
 * Bytes of these questions, beyond which they fail; and bytes that wait for one worker to take them,
 * beyond which the way to it is broken off and it is met anew.
 */
export const MAX_WAITING_BYTES = 256 * 1024 * 1024;

/** The largest message: a commit of all that may wait for the disk, and what stands around it. */
export const MAX_LINK_BYTES = 128 * 1024 * 1024;

/** Milliseconds until a worker that ended is started again; doubled each time that it ends soon again. */
export const RESTART_MS = 100;
export const MAX_RESTART_MS = 10_000;

/** Milliseconds that a worker has to run for the one before to count as an accident. */
export const SETTLED_MS = 30_000;

/** Ends of one worker in a row, each soon after its start, with which the relay ends: about half a minute of them. */
export const MAX_FAILURES = 10;

/** Milliseconds between two signs of life of a worker, and between two ticks of whoever listens for them. */
export const ALIVE_MS = 1_000;

/** Ticks without one, after which a worker is killed: it stands still, and all that concerns its folders waits. */
export const SILENT_TICKS = 20;

/** Ticks that it has for its first one: sixteen that start at once on few cores take their time. */
export const START_TICKS = 120;
