import { DovetailError } from "../../shared/errors.js";
import type { Clock } from "../../shared/runtime.js";
import { SCHEMA_VERSION } from "../store/kv-relay-store.js";
import { backupBytes } from "./file.js";
import { type SnapshotPart, snapshotsOf } from "./part.js";

/** Backups of a running relay, one at a time. `parts` are null where its data are not its own. */
export function backUps(relay: string, parts: readonly SnapshotPart[] | null, clock: Clock) {
  let running = false;
  return async (): Promise<AsyncGenerator<Buffer>> => {
    if (!parts) {
      throw new DovetailError(
        "not_allowed",
        "The data are in Cassandra, which has backups of its own.",
      );
    }
    if (running) throw new DovetailError("overloaded", "A backup is being made already.");
    running = true;
    try {
      const snapshots = await snapshotsOf(parts);
      const header = { relay, schema: SCHEMA_VERSION, at: clock.now() };
      const end = async (): Promise<void> => {
        running = false;
        await Promise.allSettled(snapshots.map((snapshot) => snapshot.close()));
      };
      return ending(backupBytes(header, snapshots), end);
    } catch (error) {
      running = false;
      throw error;
    }
  };
}

/** The same, with something done at the end, also of one of which nothing was ever read. */
function ending<T>(source: AsyncGenerator<T>, end: () => Promise<void>): AsyncGenerator<T> {
  let ended: Promise<void> | null = null;
  const once = (): Promise<void> => {
    ended ??= end();
    return ended;
  };
  const watched = async (step: Promise<IteratorResult<T>>): Promise<IteratorResult<T>> => {
    try {
      const result = await step;
      if (result.done) await once();
      return result;
    } catch (error) {
      await once();
      throw error;
    }
  };
  return {
    next: () => watched(source.next()),
    return: (value) => watched(source.return(value)),
    throw: (error) => watched(source.throw(error)),
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
