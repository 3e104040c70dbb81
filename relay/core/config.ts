import type { UserId } from "../../shared/ids.js";
import type { IceServer } from "../../shared/protocol.js";

/**
 * How long the relay keeps entries: for ever, until every device of every member has them, or so many
 * milliseconds.
 */
export type Retention = "forever" | "delivered" | { readonly keepMs: number };

export interface RelayConfig {
  /** What clients sign, so that a signature for this relay is of no use at another. */
  readonly name: string;
  readonly heartbeatMs: number;
  /** Under which address clients find this node; absent where they need not know. */
  readonly address?: string | undefined;
  /** How the operator knows this node among others. */
  readonly label?: string | undefined;
  /** For that user's direct channels, from now on. */
  readonly iceServers: (user: UserId) => readonly IceServer[];
  /**
   * Codes and how often each may be used (null: without end), besides those in the store. Empty:
   * everybody may register, unless the store says that a code is needed.
   */
  readonly invites: ReadonlyMap<string, number | null>;
  /** Entries of a conversation that nobody but its author has: above, the relay takes no more. Absent: any. */
  readonly undeliveredLimit?: number | undefined;
  /** Conversations that one device may open, make or join in an hour. Absent: any. */
  readonly conversationRate?: number | undefined;
  /** Where absent, for ever. */
  readonly retention?: Retention | undefined;
}
