import { DovetailError } from "../../../shared/errors.js";
import type { DeviceId, UserId } from "../../../shared/ids.js";
import { clientFrames, relayFrames } from "../../../shared/protocol.js";
import type { Log } from "../../../shared/runtime.js";
import { errorFrame, presentable } from "../failures.js";
import type { Openings } from "../openings.js";
import type { Applicant } from "../pairing.js";
import type { Metrics } from "../ports.js";
import { answer, isRequest, type Request, type RequestContext } from "../requests.js";
import type { Seats } from "../seats.js";
import type { Looks } from "./looks.js";
import type { NodeMessage } from "./messages.js";
import type { Nodes } from "./nodes.js";
import { type RemotePeer, RemotePeers } from "./remote-peers.js";
import type { NodeId } from "./ring.js";

interface ShardParts {
  readonly requests: RequestContext;
  readonly openings: Openings;
  readonly seats: Seats;
  readonly metrics: Metrics;
  readonly log: Log;
}

type Message<T extends NodeMessage["type"]> = Extract<NodeMessage, { type: T }>;

/** Does for other nodes' gateways what a node does for its own: what is asked of the owner of a shard. */
export class ShardService {
  readonly #nodes: Nodes;
  readonly #parts: ShardParts;
  readonly #looks: Looks;
  readonly #remote: RemotePeers;
  /** Who asks at a pairing place, by node and question. */
  readonly #applicants = new Map<string, Applicant>();

  constructor(nodes: Nodes, looks: Looks, parts: ShardParts) {
    this.#nodes = nodes;
    this.#looks = looks;
    this.#parts = parts;
    this.#remote = new RemotePeers(nodes);
  }

  /** False where the message is not for a shard. */
  take(from: NodeId, message: NodeMessage): boolean {
    const { requests } = this.#parts;
    switch (message.type) {
      case "request": {
        const frame = clientFrames.decode(message.frame);
        if (isRequest(frame)) void this.#answer(from, message, frame);
        return true;
      }
      case "arrived":
        this.#arrived(from, message);
        return true;
      case "left":
        this.#ended(this.#remote.take(from, message.connection));
        return true;
      case "moved": {
        const peer = this.#remote.take(from, message.connection);
        if (peer) this.#parts.seats.forget(peer);
        return true;
      }
      case "push": {
        const { users, frame, except, instead } = message;
        const short = instead ? { ...instead, devices: new Set(instead.devices) } : undefined;
        requests.connections.pushEncoded(users, frame, except ?? undefined, short);
        return true;
      }
      case "circles":
        requests.acquaintances.forget(message.users);
        return true;
      case "reconsider":
        requests.presence.reconsiderHere(message.users);
        return true;
      case "apply":
        this.#apply(from, message);
        return true;
      case "opening":
        this.#opening(from, message);
        return true;
      case "withdraw":
        this.#withdraw(from, message.id);
        return true;
      case "look":
        void this.#look(from, message);
        return true;
      default:
        return false;
    }
  }

  /** With the node its connections are gone. */
  nodeGone(node: NodeId): void {
    for (const peer of this.#remote.takeAll(node)) this.#ended(peer);
    for (const key of [...this.#applicants.keys()]) {
      if (key.startsWith(`${node}.`)) this.#withdrawKey(key);
    }
  }

  async #answer(
    from: NodeId,
    { id, lasting, ...who }: Message<"request">,
    frame: Request,
  ): Promise<void> {
    const { requests, log, metrics } = this.#parts;
    const requestId = "requestId" in frame ? frame.requestId : null;
    let reply: Uint8Array | null = null;
    try {
      const answered = await answer(requests, this.#remote.of(from, who, lasting), frame);
      reply = answered && relayFrames.encode(answered);
    } catch (thrown) {
      const error = presentable(thrown, log);
      metrics.failed(error.code);
      if (requestId !== null) reply = relayFrames.encode(errorFrame(requestId, error));
    }
    this.#nodes.tell(from, { type: "reply", id, frame: reply });
  }

  #arrived(
    from: NodeId,
    { id, ...who }: { id: number; connection: number; userId: UserId; deviceId: DeviceId },
  ): void {
    const peer = this.#remote.of(from, who, true);
    // Asked again where the answer was lost.
    if (!peer.seated) {
      peer.seated = true;
      this.#parts.seats.take(peer);
    }
    this.#nodes.tell(from, { type: "reply", id, frame: null });
  }

  #ended(peer: RemotePeer | undefined): void {
    if (peer?.seated) this.#parts.seats.leave(peer);
    else if (peer) this.#parts.seats.forget(peer);
  }

  #apply(from: NodeId, { id, place, publicKey, deviceName, proof }: Message<"apply">): void {
    const { pairings } = this.#parts.requests;
    const key = `${from}.${id}`;
    const reply = (frame: Uint8Array | null): void => {
      this.#applicants.delete(key);
      this.#nodes.tell(from, { type: "reply", id, frame });
    };
    const refused = (error: DovetailError): void =>
      reply(relayFrames.encode(errorFrame(null, error)));
    const applicant = { publicKey, deviceName, proof, added: () => reply(null), refused };
    this.#applicants.set(key, applicant);
    try {
      pairings.ask(place, applicant);
    } catch (error) {
      refused(DovetailError.from(error));
    }
  }

  #opening(from: NodeId, { id, deviceId }: Message<"opening">): void {
    let frame: Uint8Array | null = null;
    try {
      this.#parts.openings.count(deviceId);
    } catch (error) {
      frame = relayFrames.encode(errorFrame(null, DovetailError.from(error)));
    }
    this.#nodes.tell(from, { type: "reply", id, frame });
  }

  /** Where the store does not answer, whoever asked waits in vain and asks again. */
  async #look(from: NodeId, { id, inboxes }: Message<"look">): Promise<void> {
    try {
      const frame = await this.#looks.answer(inboxes);
      this.#nodes.tell(from, { type: "reply", id, frame });
    } catch (error) {
      this.#parts.log.debug("look.not-answered", { from, error });
    }
  }

  #withdraw(from: NodeId, id: number): void {
    this.#withdrawKey(`${from}.${id}`);
  }

  #withdrawKey(key: string): void {
    const applicant = this.#applicants.get(key);
    if (applicant) this.#parts.requests.pairings.leave(applicant);
    this.#applicants.delete(key);
  }
}
