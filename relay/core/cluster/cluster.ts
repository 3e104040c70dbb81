import type { Openings } from "../openings.js";
import type { RelayPorts } from "../ports.js";
import type { RequestContext } from "../requests.js";
import type { Seats } from "../seats.js";
import type { StatusBoard } from "../status.js";
import { Applications } from "./applications.js";
import { ClusterGateway } from "./gateway.js";
import { Looks } from "./looks.js";
import type { NodeMessage } from "./messages.js";
import type { Nodes, NodesListener } from "./nodes.js";
import type { NodeId } from "./ring.js";
import { ShardService } from "./shard.js";

/** A node's part in a relay of several: its gateway asks other nodes' shards, and they ask its own. */
export class Cluster implements NodesListener {
  readonly gateway: ClusterGateway;
  readonly applications: Applications;
  readonly #nodes: Nodes;
  readonly #shard: ShardService;
  readonly #requests: RequestContext;
  readonly #status: StatusBoard;

  constructor(
    nodes: Nodes,
    parts: Omit<RelayPorts, "bus" | "store"> & {
      readonly requests: RequestContext;
      readonly openings: Openings;
      readonly seats: Seats;
      readonly status: StatusBoard;
    },
  ) {
    this.#nodes = nodes;
    this.#requests = parts.requests;
    this.#status = parts.status;
    const looks = new Looks(nodes, parts.requests.logs, parts.clock);
    this.gateway = new ClusterGateway(nodes, looks, parts);
    this.applications = new Applications(nodes, parts.requests);
    this.#shard = new ShardService(nodes, looks, parts);
    nodes.listen(this);
  }

  told(from: NodeId, message: NodeMessage): void {
    if (message.type === "deviceRemoved") {
      this.#requests.people.forgetHere(message.deviceId);
      this.gateway.deviceRemoved(message.deviceId);
      this.#nodes.tell(from, { type: "reply", id: message.id, frame: null });
      return;
    }
    if (this.#shard.take(from, message) || this.#status.take(from, message)) return;
    this.gateway.take(message);
  }

  ringChanged(gone: readonly NodeId[]): void {
    this.#requests.conversations.forgetAll();
    this.#requests.acquaintances.forgetAll();
    this.#requests.people.forgetAll();
    this.#requests.presence.forgetSeen();
    for (const node of gone) this.#shard.nodeGone(node);
    this.gateway.ringChanged(gone);
    this.#status.ringChanged(gone);
  }

  stop(): void {
    this.gateway.stop();
    this.#nodes.stop();
  }
}
