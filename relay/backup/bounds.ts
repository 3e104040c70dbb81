/** Named bounds of backups and of what is made of them. */

/** Bytes of one record of a backup: more than the largest row of any store. */
export const MAX_RECORD_BYTES = 16 * 1024 * 1024;

/** Bytes after which rows are handed on: what one step of a backup holds in memory. */
export const PAGE_BYTES = 1024 * 1024;

/** Milliseconds for which writes are held at the most while the snapshots are taken. */
export const MAX_HOLD_MS = 5_000;

/** Milliseconds after which snapshots are closed of which nobody asks any more. */
export const IDLE_MS = 120_000;
