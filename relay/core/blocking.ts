import { DovetailError } from "../../shared/errors.js";
import type { UserId } from "../../shared/ids.js";
import type { Acquaintances } from "./acquaintances.js";
import { MAX_BLOCKED } from "./bounds.js";
import type { Peer } from "./connections.js";
import type { People } from "./people.js";
import type { Directory } from "./ports.js";
import type { PresenceBoard } from "./presence.js";
import type { WriteHealth } from "./write-health.js";

export interface BlockContext {
  readonly directory: Directory;
  readonly people: People;
  readonly acquaintances: Acquaintances;
  readonly presence: PresenceBoard;
  readonly health: WriteHealth;
}

/** @throws DovetailError `not_found`, `not_allowed`. */
export async function setBlocked(
  { directory, people, acquaintances, presence, health }: BlockContext,
  { userId }: Peer,
  other: UserId,
  blocked: boolean,
): Promise<void> {
  if (other === userId || !(await people.user(other))) {
    throw new DovetailError("not_found", "There is no such other user.");
  }
  // As the store has it: another node may have taken back what this one remembers.
  const known = new Set(await directory.blockedBy(userId));
  if (known.has(other) !== blocked) {
    if (blocked && known.size >= MAX_BLOCKED) {
      throw new DovetailError("not_allowed", "You have blocked as many people as one may.");
    }
    await health.write(() => directory.setBlocked(userId, other, blocked));
  }
  // Also where nothing had to be written: an answer that was lost may be of a node that told nobody.
  acquaintances.blocksChanged(userId);
  presence.reconsider([userId, other]);
}
