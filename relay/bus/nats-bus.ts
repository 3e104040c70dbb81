/**
 * The nodes' bus on NATS core (docs.nats.io): a subject for each node, one for the heartbeats of all,
 * never one for a user. Messages of one connection on one subject arrive in their order, at most once.
 */
import { createHash } from "node:crypto";
import { checkServerIdentity, type PeerCertificate } from "node:tls";
import { connect, type NatsConnection, type Subscription } from "@nats-io/transport-node";
import { DovetailError } from "../../shared/errors.js";
import { MAX_FRAME_BYTES } from "../../shared/limits.js";
import type { Clock, Log, Timer } from "../../shared/runtime.js";
import type { Bus, BusListener } from "../core/cluster/bus.js";
import type { NodeId } from "../core/cluster/ring.js";
import { readTlsClient, type TlsClientFiles } from "../tls.js";

const NODE_BYTES = 16;
/** Milliseconds from one heartbeat to the next. */
const BEAT_MS = 1_000;
/** Whoever has not been heard of for so long is gone. */
const GONE_MS = 3_500;
/** A process that was held up for longer may have been held for gone. */
const LATE_MS = 2_500;
/** The largest frame, and what stands around it. */
const MAX_MESSAGE_BYTES = MAX_FRAME_BYTES + 65_536;
/** Nodes that a heartbeat names. */
const MAX_NODES = 4_096;

export interface NatsOptions {
  readonly servers: readonly string[];
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  /** Null for TLS only where the server asks for it, with those who sign for the system. */
  readonly tls?: TlsClientFiles | null;
}

interface BusParts {
  /** Nodes of one relay and one protocol meet. */
  readonly relay: string;
  readonly protocol: number;
  readonly node: NodeId;
  readonly clock: Clock;
  readonly log: Log;
}

interface Peer {
  heardAt: number;
  readonly since: number;
}

export class NatsBus implements Bus {
  readonly node: NodeId;
  readonly #connection: NatsConnection;
  readonly #prefix: string;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #peers = new Map<NodeId, Peer>();
  #listener: BusListener | null = null;
  #timer: Timer | null = null;
  /** Monotonic. */
  #beatAt = 0;
  /** Since when this node has been telling the others that it is there, without a gap. */
  #aliveSince = 0;
  #closed = false;

  private constructor(connection: NatsConnection, parts: BusParts) {
    this.#connection = connection;
    this.node = parts.node;
    this.#clock = parts.clock;
    this.#log = parts.log;
    // Several relays may use one cluster of NATS; a name may hold what a subject may not.
    const relay = createHash("sha256").update(parts.relay).digest("hex").slice(0, 16);
    this.#prefix = `dovetail.${parts.protocol}.${relay}`;
  }

  /**
   * @throws DovetailError `storage_failed` where no server is reached, or takes no message that is large
   * enough; `invalid_params` for the files of `tls`.
   */
  static async open(
    { servers, user, password, tls }: NatsOptions,
    parts: BusParts,
  ): Promise<NatsBus> {
    const connection = await connect({
      servers: [...servers],
      ...(user !== undefined && { user, pass: password ?? "" }),
      ...(tls && { tls: tlsTo(servers, tls) }),
      name: `dovetail ${parts.node}`,
      // A server that hangs is left within seconds, and one is looked for until it is found.
      ...{ timeout: BEAT_MS, pingInterval: BEAT_MS, maxPingOut: 2 },
      ...{ reconnectTimeWait: 50, maxReconnectAttempts: -1 },
    }).catch((cause: unknown) => {
      const why = cause instanceof Error ? cause.message : String(cause);
      const message = `NATS cannot be reached at ${servers.join(", ")}: ${why}.`;
      throw new DovetailError("storage_failed", message, { cause });
    });
    const most = connection.info?.max_payload ?? 0;
    if (most < MAX_MESSAGE_BYTES) {
      await connection.close();
      throw new DovetailError(
        "storage_failed",
        `NATS takes messages of ${most} bytes; set its max_payload to ${MAX_MESSAGE_BYTES} or more.`,
      );
    }
    return new NatsBus(connection, parts);
  }

  listen(listener: BusListener): void {
    this.#listener = listener;
    this.#take(`${this.#prefix}.node.${this.node}`, (from, body) => {
      // What comes of a node that is not known is of one that was held for gone.
      if (this.#peers.has(from)) listener.received(from, body);
    });
    this.#take(`${this.#prefix}.beat`, (from, body) => this.#heard(from, body));
    void this.#watch();
    const now = this.#clock.monotonic();
    this.#beatAt = now;
    this.#aliveSince = now;
    this.#tellMembers();
    this.#beat();
  }

  /** Resolves when the others, if there are any, are known. */
  gathered(): Promise<void> {
    return new Promise((resolve) => void this.#clock.after(2 * BEAT_MS, resolve));
  }

  send(to: NodeId, message: Uint8Array): void {
    this.#publish(`${this.#prefix}.node.${to}`, message);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    // The others need not wait until it is missed.
    this.#publish(`${this.#prefix}.beat`, Buffer.alloc(0));
    await this.#connection.flush().catch(() => undefined);
    await this.#connection.close();
  }

  #publish(subject: string, body: Uint8Array): void {
    try {
      this.#connection.publish(subject, Buffer.concat([Buffer.from(this.node, "hex"), body]));
    } catch (error) {
      // At most once: whoever needs an answer asks again.
      this.#log.debug("bus.not-sent", { error });
    }
  }

  #take(subject: string, take: (from: NodeId, body: Uint8Array) => void): void {
    const subscription: Subscription = this.#connection.subscribe(subject, {
      callback: (error, message) => {
        if (error || message.data.length < NODE_BYTES) {
          this.#log.warn("bus.not-understood", { subject, error });
          return;
        }
        const from = nodeOf(message.data, 0);
        if (from !== this.node) take(from, message.data.subarray(NODE_BYTES));
      },
    });
    void subscription.closed;
  }

  /** After each break of the connection the others may have held this node for gone. */
  async #watch(): Promise<void> {
    for await (const { type } of this.#connection.status()) {
      if (this.#closed) return;
      if (type === "disconnect") this.#log.warn("bus.disconnected");
      if (type === "reconnect") {
        this.#log.info("bus.reconnected");
        this.#beginAnew();
      }
    }
  }

  #beat(): void {
    const now = this.#clock.monotonic();
    if (now - this.#beatAt > LATE_MS) this.#beginAnew();
    this.#beatAt = now;
    const gone = [...this.#peers].filter(([, { heardAt }]) => now - heardAt > GONE_MS);
    for (const [node] of gone) this.#peers.delete(node);
    if (gone.length > 0) this.#tellMembers();
    const seen = [this.node, ...this.#peers.keys()].slice(0, MAX_NODES);
    this.#publish(`${this.#prefix}.beat`, Buffer.from(seen.join(""), "hex"));
    this.#timer = this.#clock.after(BEAT_MS, () => this.#beat());
  }

  /** A heartbeat names those whom its node knows; none: it is going. */
  #heard(from: NodeId, body: Uint8Array): void {
    if (body.length === 0) {
      if (this.#peers.delete(from)) this.#tellMembers();
      return;
    }
    const now = this.#clock.monotonic();
    const known = this.#peers.get(from);
    const knowsMe = nodesIn(body).includes(this.node);
    const expected = now - Math.max(known?.since ?? now, this.#aliveSince) > GONE_MS;
    if (known && !knowsMe && expected) {
      // It was told of this node for long enough and has forgotten it.
      this.#beginAnew();
    } else if (known) {
      known.heardAt = now;
    } else {
      this.#peers.set(from, { heardAt: now, since: now });
      this.#tellMembers();
    }
  }

  /** Alone, as the others may have seen it; they are met again by their next heartbeats. */
  #beginAnew(): void {
    this.#peers.clear();
    this.#aliveSince = this.#clock.monotonic();
    this.#tellMembers();
  }

  #tellMembers(): void {
    this.#listener?.members([this.node, ...this.#peers.keys()]);
  }
}

/**
 * A server is one of those that this node was told of, whichever of them it says that it is. The library
 * passes this on to Node; by itself it compares with a name alone: `localhost` for servers by address.
 */
function tlsTo(servers: readonly string[], files: TlsClientFiles) {
  const hosts = servers.map((server) => server.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1"));
  const check = (_name: string, certificate: PeerCertificate): Error | undefined => {
    const wrongs = hosts.map((host) => checkServerIdentity(host, certificate));
    return wrongs.includes(undefined) ? undefined : wrongs[0];
  };
  return { ...readTlsClient(files), checkServerIdentity: check };
}

const nodeOf = (data: Uint8Array, at: number): NodeId =>
  Buffer.from(data.subarray(at, at + NODE_BYTES)).toString("hex") as NodeId;

function nodesIn(body: Uint8Array): NodeId[] {
  const count = Math.min(MAX_NODES, Math.floor(body.length / NODE_BYTES));
  return Array.from({ length: count }, (_, i) => nodeOf(body, i * NODE_BYTES));
}
