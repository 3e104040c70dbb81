import { DovetailError } from "../../shared/errors.js";
import { type DeviceId, ID_BYTES, idFromBytes, type UserId } from "../../shared/ids.js";
import { clientFrames, type RelayFrame, relayFrames } from "../../shared/protocol.js";
import type { Nodes } from "./cluster/nodes.js";
import type { Peer } from "./connections.js";
import { answer, type Request, type RequestContext } from "./requests.js";

/** What an operator may do with an account. */
export type OfUser = Extract<Request, { type: "getDevices" | "removeDevice" }>;

/** No connection has it: they are counted from 1. */
const NO_CONNECTION = 0;
const NO_DEVICE = idFromBytes<DeviceId>(new Uint8Array(ID_BYTES));

/**
 * Asks in a user's name as one of the user's own devices does, at the owner of the user's shard, so that
 * whoever has to hear of it does.
 * @throws DovetailError as {@link answer} does; `overloaded` where the owner gives no answer.
 */
export async function askAsUser(
  context: RequestContext,
  nodes: Nodes | null,
  userId: UserId,
  frame: OfUser,
): Promise<RelayFrame> {
  const owner = nodes?.owner(userId);
  const reply =
    nodes && owner !== undefined && owner !== nodes.node
      ? await nodes.ask(owner, (id) => ({
          type: "request",
          id,
          connection: NO_CONNECTION,
          userId,
          deviceId: NO_DEVICE,
          lasting: false,
          frame: clientFrames.encode(frame),
        }))
      : await answer(context, standIn(userId, nodes?.node ?? ""), frame);
  const said = reply instanceof Uint8Array ? relayFrames.decode(reply) : reply;
  if (!said) throw new DovetailError("internal", "The owner of the user's shard says nothing.");
  if (said.type === "error") throw new DovetailError(said.code, said.message);
  return said;
}

const standIn = (userId: UserId, node: string): Peer => ({
  userId,
  deviceId: NO_DEVICE,
  address: { node, connection: NO_CONNECTION },
  open: true,
  send() {},
  replaced() {},
  removed() {},
});
