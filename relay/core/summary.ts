import type { Lag } from "./cluster/lag.js";
import type { ShardHeat } from "./heat.js";

/** What a node knows of itself at any moment. */
export interface OwnState {
  readonly connections: number;
  readonly draining: boolean;
  /** Writes that wait for the store. */
  readonly backlogEntries: number;
  readonly backlogBytes: number;
  /** What clients have not taken yet. */
  readonly bufferedBytes: number;
}

/** What a node says of itself. */
export interface Summary extends OwnState {
  /** How its operator knows it. */
  readonly label: string;
  /** Under which clients find it; null where they are not to know. */
  readonly address: string | null;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  /** Of what it pushes to the node to which that takes the longest. */
  readonly lag: Lag | null;
  readonly hot: readonly ShardHeat[];
}
