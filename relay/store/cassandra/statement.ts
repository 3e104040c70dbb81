import type cassandra from "cassandra-driver";

export type Row = cassandra.types.Row;
export type Value = string | number | boolean | Uint8Array | readonly (string | number)[] | null;

export interface Statement {
  readonly query: string;
  readonly params: readonly Value[];
}

/** `unknown` where it may or may not have been written: a later serial read tells. */
export type Outcome =
  | { readonly applied: true }
  | { readonly applied: false; readonly row: Row | null }
  | "unknown";
