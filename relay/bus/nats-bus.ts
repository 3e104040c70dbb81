/**
 * The nodes' bus on NATS core (docs.nats.io): a subject for each node, one for the heartbeats of all,
 * never one for a user. Messages of one connection on one subject arrive in their order, at most once:
 * what is lost is found by those who meet (`meetings.ts`).
 */
import { createHash } from "node:crypto";
import { checkServerIdentity, type PeerCertificate } from "node:tls";
import { connect, type NatsConnection, type Subscription } from "@nats-io/transport-node";
import { DovetailError } from "../../shared/errors.js";
import type { Clock, Log } from "../../shared/runtime.js";
import { BEAT_MS, MAX_NODE_MESSAGE_BYTES } from "../core/bounds.js";
import type { Bus, BusListener } from "../core/cluster/bus.js";
import { Meetings } from "../core/cluster/meetings.js";
import type { NodeId } from "../core/cluster/ring.js";
import { readTlsClient, type TlsClientFiles } from "../tls.js";

/** Milliseconds from one ping of the server to the next, and until one is tried again that refused something. */
const PING_MS = 1_000;
/** Milliseconds from one dial of a server that does not answer to the next. */
const REST_MS = 50;
/** More than a cluster has servers: each is dialled once after the time of day was set back. */
const DIALS_AFTER_STEP = 100;
/** What stands around what nodes say: who says it, and in which meeting. */
const ENVELOPE_BYTES = 64;
/** Operators were told this number: it stays. */
const MAX_MESSAGE_BYTES = MAX_NODE_MESSAGE_BYTES + ENVELOPE_BYTES;

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

export class NatsBus implements Bus {
  readonly node: NodeId;
  /** Resolves where the connection has ended for good, though nobody closed it. */
  readonly lost: Promise<void>;
  readonly #connection: NatsConnection;
  readonly #prefix: string;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #meetings: Meetings;
  #closed = false;

  private constructor(connection: NatsConnection, parts: BusParts) {
    this.#connection = connection;
    this.node = parts.node;
    this.#clock = parts.clock;
    this.#log = parts.log;
    // Several relays may use one cluster of NATS; a name may hold what a subject may not.
    const relay = createHash("sha256").update(parts.relay).digest("hex").slice(0, 16);
    this.#prefix = `dovetail.${parts.protocol}.${relay}`;
    const carrier = {
      publish: (beat: Uint8Array) => this.#publish(`${this.#prefix}.beat`, beat),
      send: (to: NodeId, message: Uint8Array) =>
        this.#publish(`${this.#prefix}.node.${to}`, message),
    };
    this.#meetings = new Meetings(this.node, carrier, parts);
    this.lost = new Promise((lost) => {
      void connection.closed().then((error) => {
        if (this.#closed) return;
        this.#log.error("bus.ended", { error });
        lost();
      });
    });
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
      ...{ timeout: PING_MS, pingInterval: PING_MS, maxPingOut: 2 },
      ...{ reconnectDelayHandler: restOf(parts.clock), maxReconnectAttempts: -1 },
      // Credentials that are refused twice may be changing at this moment, on one server after the other.
      ignoreAuthErrorAbort: true,
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
    this.#take(`${this.#prefix}.node.${this.node}`, (message) => this.#meetings.received(message));
    this.#take(`${this.#prefix}.beat`, (beat) => this.#meetings.heard(beat));
    void this.#watch();
    this.#meetings.listen(listener);
  }

  /** Resolves when the others, if there are any, are known. */
  gathered(): Promise<void> {
    return new Promise((resolve) => void this.#clock.after(2 * BEAT_MS, resolve));
  }

  send(to: NodeId, message: Uint8Array): void {
    this.#meetings.send(to, message);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#meetings.close();
    await this.#connection.flush().catch(() => undefined);
    await this.#connection.close();
  }

  #publish(subject: string, body: Uint8Array): void {
    try {
      this.#connection.publish(subject, body);
    } catch (error) {
      // At most once: whoever needs an answer asks again.
      this.#log.warn("bus.not-sent", { error });
    }
  }

  #take(subject: string, take: (message: Uint8Array) => void): void {
    const subscription: Subscription = this.#connection.subscribe(subject, {
      callback: (error, message) => {
        if (error) return;
        try {
          take(message.data);
        } catch (fault) {
          // The library would read nothing more from its connection.
          this.#log.warn("bus.not-understood", { subject, error: fault });
        }
      },
    });
    void subscription.closed.then((error) => {
      if (this.#closed || this.#connection.isClosed()) return;
      // Refused by the server, for which an operator may give leave again.
      this.#log.error("bus.refused", { subject, error });
      this.#clock.after(PING_MS, () => {
        if (!this.#closed && !this.#connection.isClosed()) this.#take(subject, take);
      });
    });
  }

  async #watch(): Promise<void> {
    for await (const status of this.#connection.status()) {
      if (this.#closed) return;
      if (status.type === "disconnect") this.#log.warn("bus.disconnected");
      if (status.type === "reconnect") {
        this.#log.info("bus.reconnected");
        this.#meetings.beginAnew();
      }
      if (status.type === "error") this.#log.warn("bus.failed", { error: status.error });
    }
  }
}

/**
 * How long the library lets a server rest before it is dialled again. It asks the time of day for that, and
 * would dial nobody for as many minutes as that was set back by; so these are taken off.
 */
function restOf(clock: Clock): () => number {
  const aheadMs = () => clock.now() - clock.monotonic();
  let lastMs = aheadMs();
  let stepMs = 0;
  let dials = 0;
  return () => {
    const backMs = lastMs - aheadMs();
    lastMs -= backMs;
    if (backMs > REST_MS) {
      stepMs = backMs + (dials > 0 ? stepMs : 0);
      dials = DIALS_AFTER_STEP;
    }
    return dials-- > 0 ? REST_MS - stepMs : REST_MS;
  };
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
