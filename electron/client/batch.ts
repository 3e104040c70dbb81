/** What goes into one append. */
import { DovetailError } from "../../shared/errors.js";
import type { DeviceId } from "../../shared/ids.js";
import { MAX_ENTRIES, MAX_PAGE_BYTES } from "../../shared/limits.js";
import type { HandedIn, SequencedEntry } from "../../shared/protocol.js";
import type { Core } from "./core.js";
import type { RelayEntry } from "./entries.js";
import { keys } from "./rows.js";
import type { Conversation, TailEntry } from "./state.js";

export const handedIn = ({ deviceId, n, ttl, signature, payload }: TailEntry): HandedIn => ({
  deviceId,
  n,
  ttl,
  signature,
  payload,
});

type Place = Pick<SequencedEntry, "seq" | "at" | "rights">;

/** @throws DovetailError `malformed_frame` where the answer does not fit the request. */
export function placements(entries: readonly HandedIn[], places: readonly Place[]): RelayEntry[] {
  if (places.length !== entries.length) throw new DovetailError("malformed_frame");
  return entries
    .map(({ deviceId, n }, i) => ({ deviceId, n, ...(places[i] as Place) }))
    .sort((a, b) => a.seq - b.seq);
}

/**
 * The own entries and, with `others`, what of others is shown before the last of them and can be
 * handed in: signed, and following what the log has of their device. At most what a frame may carry.
 */
export async function batchOf(
  core: Core,
  conversation: Conversation,
  own: readonly TailEntry[],
  others: boolean,
): Promise<TailEntry[]> {
  const { conversationId } = conversation.row;
  const lastN = own.at(-1)?.n ?? 0;
  const self = core.state.self.deviceId;
  /** The n that a device's next entry must have; 0 where its entries are left to others. */
  const nextNs = new Map<DeviceId, number>();
  const batch: TailEntry[] = [];
  let size = 0;
  for (const entry of [...conversation.tail]) {
    if (entry.seq !== 0) continue;
    const { deviceId, n } = entry;
    if (deviceId !== self) {
      if (!others || !entry.signature) continue;
      const follows = nextNs.has(deviceId)
        ? nextNs.get(deviceId) === n
        : n === 1 ||
          (await core.ports.store.get(keys.origin(conversationId, { deviceId, n: n - 1 })));
      nextNs.set(deviceId, follows ? n + 1 : 0);
      if (!follows) continue;
    } else if (n > lastN) break;
    size += entry.payload.length;
    if (batch.length === MAX_ENTRIES || (batch.length > 0 && size > MAX_PAGE_BYTES)) break;
    batch.push(entry);
  }
  return batch;
}

/** Other devices that are known to have all of it. */
export function holdersOf(batch: readonly TailEntry[], self: DeviceId): DeviceId[] {
  const holders = batch.map(({ deviceId, heldBy }) =>
    deviceId === self ? heldBy.map((holder) => holder.deviceId) : [deviceId],
  );
  const [first = [], ...rest] = holders;
  return first.filter((device) => rest.every((each) => each.includes(device)));
}
