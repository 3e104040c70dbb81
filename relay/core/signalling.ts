import { DovetailError } from "../../shared/errors.js";
import type { DeviceId } from "../../shared/ids.js";
import { relayFrames } from "../../shared/protocol.js";
import type { Acquaintances } from "./acquaintances.js";
import type { Connections, Peer } from "./connections.js";
import type { People } from "./people.js";

/** Carries what two devices need to find a direct path, stamped with who it is from. */
export async function signal(
  context: { connections: Connections; acquaintances: Acquaintances; people: People },
  from: Peer,
  to: DeviceId,
  payload: Uint8Array,
): Promise<void> {
  const { people, acquaintances, connections } = context;
  const device = await people.device(to);
  if (!device || !(await acquaintances.acquainted(from.userId, device.userId))) {
    throw new DovetailError("not_found", "There is no such device, or you do not know its user.");
  }
  // To somebody who is blocked, whoever blocks looks offline.
  const blocked = (await acquaintances.blockedBy(device.userId)).has(from.userId);
  const peer = blocked ? undefined : connections.get(device.userId, to);
  if (!peer) throw new DovetailError("not_online");
  const { userId, deviceId } = from;
  peer.send(relayFrames.encode({ type: "signal", userId, deviceId, payload }));
}
