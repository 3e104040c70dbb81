/** An entry, in the log or before it. */
import type { LogRow } from "./rows.js";
import type { TailEntry } from "./state.js";

export interface Logged {
  readonly kind: "log";
  readonly seq: number;
  readonly row: LogRow;
  readonly shown: boolean;
}
export type Found = Logged | { readonly kind: "tail"; readonly entry: TailEntry };
