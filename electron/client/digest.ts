/** What this device has of a log, as the relay can be asked to compare it. */
import { digestOfPairs, type Pair, type Stretch } from "../../shared/digest.js";
import type { ConversationId } from "../../shared/ids.js";
import type { Core } from "./core.js";
import type { Logged } from "./found.js";
import { keys, logRow, originRow, type Row, seqOfKey } from "./rows.js";

/** The stored entries of a part of a log, by their places. One that cannot be read is missing. */
export async function storedIn(
  core: Core,
  id: ConversationId,
  { from, to }: Stretch,
): Promise<Map<number, Logged>> {
  const found = new Map<number, Logged>();
  // What disappears meanwhile moves from the first to the second.
  for (const [key, shown] of [
    [keys.shown, true],
    [keys.quiet, false],
  ] as const) {
    const rows = await core.ports.store.range({ from: key(id, from), to: key(id, to + 1) });
    for (const { key: stored, value } of rows) {
      const row = readable(logRow, value);
      const seq = seqOfKey(stored);
      if (row) found.set(seq, { kind: "log", seq, row, shown });
    }
  }
  return new Map([...found].sort(([a], [b]) => a - b));
}

function readable<T>(row: Row<T>, stored: Uint8Array): T | null {
  try {
    return row.decode(stored);
  } catch {
    return null;
  }
}

/** Whether a stored entry is found by its origin, too. */
export async function isNamed(
  core: Core,
  id: ConversationId,
  { seq, row }: Logged,
): Promise<boolean> {
  const stored = await core.ports.store.get(keys.origin(id, row));
  return stored !== undefined && readable(originRow, stored) === seq;
}

/** Of one piece: see `piecesOf`. */
export async function storedDigest(
  core: Core,
  id: ConversationId,
  piece: Stretch,
): Promise<Uint8Array> {
  const stored = [...(await storedIn(core, id, piece)).values()];
  const named = await Promise.all(stored.map((logged) => isNamed(core, id, logged)));
  const whole = stored.filter((_, i) => named[i]);
  const pairs = whole.map(({ seq, row: { deviceId, n } }): Pair => ({ seq, deviceId, n }));
  return digestOfPairs(core.ports.crypto, pairs);
}
