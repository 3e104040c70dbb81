import { directConversationId, type UserId } from "../../../shared/ids.js";
import { findInvite } from "../invites.js";
import type { Request, RequestContext } from "../requests.js";
import type { Nodes } from "./nodes.js";
import type { NodeId } from "./ring.js";

/** Requests whose answer comes from several nodes, or depends on what the connection did before. */
type Placed = Exclude<
  Request,
  { type: "watchPresence" | "getPresence" | "openPairing" | "closePairing" | "addDevice" }
>;

/**
 * Which node answers a request. Without waiting where that can be said at once: what one client
 * writes to one log arrives in its order.
 */
export function placeOf(
  nodes: Nodes,
  { crypto, invites, people }: RequestContext,
  user: UserId,
  frame: Placed,
): NodeId | Promise<NodeId> {
  switch (frame.type) {
    case "append":
    case "moveCursors":
    case "getConversation":
    case "getEntries":
    case "compareLog":
    case "createGroup":
    case "changeMembership":
    case "createInvite":
    case "getInvites":
    case "revokeInvite":
    case "typing":
      return nodes.owner(frame.conversationId);
    case "openConversation":
      return nodes.owner(directConversationId(user, frame.userId, crypto.sha256));
    case "getInvitation":
    case "join":
      return findInvite(invites, frame.code).then((invite) =>
        invite ? nodes.owner(invite.conversationId) : nodes.node,
      );
    case "signal":
      return people
        .device(frame.deviceId)
        .then((device) => (device ? nodes.owner(device.userId) : nodes.node));
    case "getChanges":
    case "getDevices":
    case "removeDevice":
    case "block":
    case "attention":
      return nodes.owner(user);
    case "searchUsers":
      return nodes.node;
  }
}
