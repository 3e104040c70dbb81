/**
 * An ordered byte store, as LevelDB is one. Both the client's profile and the relay's embedded
 * tables are written against it, so that a simulation can run the very same table code over a store
 * that loses power between two writes.
 */
export type Write =
  | { readonly type: "put"; readonly key: string; readonly value: Uint8Array }
  | { readonly type: "del"; readonly key: string };

export interface Range {
  /** First key, included. */
  readonly from: string;
  /** Last key, excluded. */
  readonly to: string;
  readonly reverse?: boolean;
  /** Rows at the most; all of them where absent. */
  readonly limit?: number;
}

export interface KeyValue {
  get(key: string): Promise<Uint8Array | undefined>;
  /**
   * Rows in the order of their keys' UTF-8 bytes. Meant for bounded ranges: what it returns is in
   * memory at once.
   */
  range(range: Range): Promise<readonly { readonly key: string; readonly value: Uint8Array }[]>;
  /**
   * All or nothing. When it resolves the writes are on disk (fsync), unless `durable` is false. Of one
   * that fails nobody here sees anything; whoever opens the store after a crash may find it done.
   */
  batch(writes: readonly Write[], durable?: boolean): Promise<void>;
  close(): Promise<void>;
}

export interface Row {
  readonly key: string;
  readonly value: Uint8Array;
}

/** A store as it was at one moment, whatever is written meanwhile. */
export interface Snapshot {
  /** All rows, or those after that key, in order; read as they are asked for. */
  rows(after?: string): AsyncIterable<Row>;
  /** The store keeps what was overwritten since until then. */
  close(): Promise<void>;
}

export interface SnapshotKeyValue extends KeyValue {
  snapshot(): Promise<Snapshot>;
}

/** 2^53 has 11 digits to the base 32. */
const DIGITS = 11;

/** A key part for a whole number from 0 to 2^53−1 that sorts as the number does. */
export const sortable = (value: number): string => value.toString(32).padStart(DIGITS, "0");

/** The reverse of {@link sortable}. */
export const fromSortable = (part: string): number => Number.parseInt(part, 32);

/** All keys that start with `prefix`; keys are ASCII, so nothing sorts after `~`. */
export const under = (prefix: string): { from: string; to: string } => ({
  from: prefix,
  to: `${prefix}~`,
});
