import type { Database } from "./database.js";

/** The setting that says of a keyspace whether it is being filled: with the number of the pass. */
export const FILLING = "filling";
export const FILLED = "done";

/** True from the first pass until everything was compared. */
export async function isBeingFilled(database: Database): Promise<boolean> {
  const state = await database.setting(FILLING);
  return state !== null && state !== FILLED;
}
