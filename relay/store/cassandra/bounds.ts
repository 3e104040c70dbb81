/** Bounds of the store on Cassandra, each with its unit and the reason for its size. */

/**
 * Entries after which a log goes on in another partition. With those of one more commit, all of the
 * largest, a partition stays near the 100 MB that Cassandra copes with well.
 */
export const SEGMENT_ENTRIES = 1_024;

/** How often a conditional write is tried anew after somebody else was first. */
export const MAX_TRIES = 16;

/** Users whose newest stamp is kept in memory: about 100 bytes each. */
export const MAX_CACHED_STAMPS = 50_000;

/** Seconds that the note of an entry's end is kept after it: relays may have been down as long. */
export const EXPIRY_KEPT_S = 30 * 86_400;

/** Seconds that Cassandra can keep a row at the most when it is to go by itself. */
export const MAX_TTL_S = 20 * 365 * 86_400;
