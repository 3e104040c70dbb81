import type { DeviceId, UserId } from "../../../shared/ids.js";
import type { Address, Peer } from "../connections.js";
import type { Nodes } from "./nodes.js";
import type { NodeId } from "./ring.js";

/** A client's connection at another node's gateway. */
export class RemotePeer implements Peer {
  readonly userId: UserId;
  readonly deviceId: DeviceId;
  readonly address: Address & { readonly node: NodeId };
  /** Whether it was announced here as one of its user's, and not only asks something. */
  seated = false;
  open = true;
  readonly #nodes: Nodes;

  constructor(
    nodes: Nodes,
    node: NodeId,
    { connection, userId, deviceId }: { connection: number; userId: UserId; deviceId: DeviceId },
  ) {
    this.#nodes = nodes;
    this.address = { node, connection };
    this.userId = userId;
    this.deviceId = deviceId;
  }

  send(frame: Uint8Array): void {
    this.#tell({ type: "deliver", connection: this.address.connection, frame });
  }

  replaced(): void {
    this.#tell({ type: "end", connection: this.address.connection, reason: "replaced" });
  }

  removed(): void {
    this.#tell({ type: "end", connection: this.address.connection, reason: "removed" });
  }

  #tell(message: Parameters<Nodes["tell"]>[1]): void {
    if (this.#nodes.has(this.address.node)) this.#nodes.tell(this.address.node, message);
  }
}

/** The connections at other nodes of which something is kept here. As many as those nodes have at most. */
export class RemotePeers {
  readonly #nodes: Nodes;
  readonly #peers = new Map<NodeId, Map<number, RemotePeer>>();

  constructor(nodes: Nodes) {
    this.#nodes = nodes;
  }

  /** The one that is known, or one that is known from now on where it is `lasting`. */
  of(
    node: NodeId,
    who: { connection: number; userId: UserId; deviceId: DeviceId },
    lasting: boolean,
  ): RemotePeer {
    const known = this.#peers.get(node)?.get(who.connection);
    if (known) return known;
    const peer = new RemotePeer(this.#nodes, node, who);
    if (!lasting) return peer;
    const peers = this.#peers.get(node) ?? new Map<number, RemotePeer>();
    this.#peers.set(node, peers.set(who.connection, peer));
    return peer;
  }

  /** Forgets it, and gives it where it was known. */
  take(node: NodeId, connection: number): RemotePeer | undefined {
    const peers = this.#peers.get(node);
    const peer = peers?.get(connection);
    peers?.delete(connection);
    if (peers?.size === 0) this.#peers.delete(node);
    if (peer) peer.open = false;
    return peer;
  }

  takeAll(node: NodeId): readonly RemotePeer[] {
    const connections = [...(this.#peers.get(node)?.keys() ?? [])];
    return connections.flatMap((connection) => this.take(node, connection) ?? []);
  }
}
