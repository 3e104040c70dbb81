/** Bounds of the store on Cassandra, each with its unit and the reason for its size. */

/**
 * Entries after which a log goes on in another partition. With those of one more commit, all of the
 * largest, a partition stays near the 100 MB that Cassandra copes with well.
 */
export const SEGMENT_ENTRIES = 1_024;

/** How often a conditional write is tried anew after somebody else was first. */
export const MAX_TRIES = 16;

/** How often a serial read is tried that writers of its partition keep away. */
export const MAX_READ_TRIES = 5;

/** Milliseconds at the most before the second try of a conditional write; each further wait may be twice as long. */
export const FIRST_WAIT_MS = 10;

/** Milliseconds at the most before any try. */
export const MAX_WAIT_MS = 250;

/** Milliseconds after which nothing is tried anew: another node waits for its answer for ten seconds. */
export const MAX_TRIES_MS = 7_000;

/**
 * Statements under way at once: the driver refuses what is more than 2,048 for each node, and the due times of
 * one commit, or the members of some large groups, are more.
 */
export const MAX_STATEMENTS = 1_024;

/** Entries in one read of certain places: with the largest payloads about 4 MB. */
export const ENTRIES_PER_READ = 64;

/** Stamps left out at the most after a first meeting with another writer; each further one may double it. */
export const FIRST_LEAP = 16;

/** Users whose newest stamp is kept in memory: about 100 bytes each. */
export const MAX_CACHED_STAMPS = 50_000;

/** Seconds that the note of an entry's end is kept after it: relays may have been down as long. */
export const EXPIRY_KEPT_S = 30 * 86_400;

/**
 * The last moment, in seconds since 1970, at which what is written may go by itself: Cassandra refuses all
 * after 2038-01-19T03:14:06Z (32 bits, with the default storage_compatibility_mode), by its own clock, which
 * may be a day off.
 */
export const LAST_EXPIRY_S = 2_147_483_646 - 86_400;

/** Entries that are due in one read. */
export const DUE_PER_PAGE = 512;

/** Entries that are looked up and erased at once. */
export const DUE_PER_STEP = 64;

/** Entries that are due and looked up, for each one of those that are to be erased in one go. */
export const LOOKS_PER_ERASED = 8;

/** Milliseconds for which a count of all users is good: it reads all of them. */
export const COUNT_KEPT_MS = 3_600_000;
