import { DovetailError } from "../../shared/errors.js";
import type { UserId } from "../../shared/ids.js";
import { MAX_RELAY_ADDRESSES } from "../../shared/limits.js";
import { CloseCode, type RelayFrame, RUN_BYTES, relayFrames } from "../../shared/protocol.js";
import type { Random } from "../../shared/runtime.js";
import { Acquaintances } from "./acquaintances.js";
import { AttentionBoard } from "./attention.js";
import { MAX_COMMITS, REMEMBERED_MS, REMOVAL_MS } from "./bounds.js";
import { Cluster } from "./cluster/cluster.js";
import { Nodes } from "./cluster/nodes.js";
import type { RelayConfig } from "./config.js";
import { Connection, type ConnectionContext } from "./connection.js";
import { Connections } from "./connections.js";
import { Conversations } from "./conversations.js";
import { returnMs, spreadOver } from "./draining.js";
import { errorFrame } from "./failures.js";
import { GroupCommit } from "./group-commit.js";
import { Heat } from "./heat.js";
import { Openings } from "./openings.js";
import { askAsUser, type OfUser } from "./operator.js";
import { PairingBoard } from "./pairing.js";
import { People } from "./people.js";
import type { ClientWire, ConnectionLimits, RelayPorts } from "./ports.js";
import { PresenceBoard } from "./presence.js";
import { answer, type RequestContext } from "./requests.js";
import { Seats } from "./seats.js";
import { type NodeStatus, StatusBoard } from "./status.js";
import type { OwnState } from "./summary.js";
import { Sweeper } from "./sweeper.js";
import { WriteHealth } from "./write-health.js";

/** The relay's end of one connection, to be told what the wire does. */
export interface Session {
  /** A binary message came. */
  receive(frame: Uint8Array): void;
  /** A message came that is not binary. */
  receiveForeign(): void;
  /** The wire has closed. */
  closed(): void;
}

/** Placed on the ring as an id is: one node sweeps for all. */
const SWEEPING = "sweeping";

const UNLIMITED: ConnectionLimits = {
  registration: () => 0,
  request: () => 0,
};

/** A relay without sockets: what comes in by `connect` goes through the ports. */
export class Relay {
  readonly #ports: RelayPorts;
  readonly #commit: GroupCommit;
  readonly #presence: PresenceBoard;
  readonly #seats: Seats;
  readonly #nodes: Nodes | null;
  /** The other nodes; null where there are none. */
  readonly #cluster: Cluster | null;
  readonly #status: StatusBoard;
  readonly #requests: RequestContext;
  readonly #health: WriteHealth;
  readonly #sweeper: Sweeper;
  readonly #context: ConnectionContext;
  readonly #all = new Set<Connection>();
  /** Of all, those that have not proved whose they are. */
  readonly #unproven = new Set<Connection>();
  /** Connections that there have been. */
  #connected = 0;
  #stopping = false;
  /** Ends when all have gone; null where they may stay. */
  #draining: Promise<void> | null = null;

  constructor(ports: RelayPorts, config: RelayConfig) {
    const { clock, crypto, metrics, log, store } = ports;
    const { logs, directory, invites } = store;
    this.#ports = ports;
    const nodes = ports.bus ? new Nodes(ports.bus, ports) : null;
    this.#nodes = nodes;
    // What other nodes change they tell, those that are heard.
    const lifetime = nodes && { clock, ms: REMEMBERED_MS };
    const people = new People(
      directory,
      nodes &&
        ((deviceId) => {
          this.#cluster?.gateway.deviceRemoved(deviceId);
          return nodes.askAll((id) => ({ type: "deviceRemoved", id, deviceId }), REMOVAL_MS);
        }),
      lifetime,
    );
    const conversations = new Conversations(logs, people, clock, nodes !== null);
    const acquaintances = new Acquaintances(
      { logs, directory, crypto },
      conversations,
      nodes && ((users) => nodes.tellAll({ type: "circles", users })),
      lifetime,
    );
    const connections = new Connections(metrics, nodes);
    this.#health = new WriteHealth(logs, clock, log);
    this.#commit = new GroupCommit(
      { logs, metrics, clock, log },
      conversations,
      this.#health,
      nodes ? MAX_COMMITS : 1,
    );
    this.#sweeper = new Sweeper(
      { logs, directory, clock, metrics, log },
      conversations,
      this.#health,
      config.retention ?? "forever",
      () => !nodes || nodes.owner(SWEEPING) === nodes.node,
    );
    this.#presence = new PresenceBoard(
      { directory, clock, log },
      acquaintances,
      connections,
      nodes && ((users) => nodes.tellAll({ type: "reconsider", users })),
      lifetime,
    );
    const attention = new AttentionBoard(connections, clock);
    const presence = this.#presence;
    const pairings = new PairingBoard(clock);
    const heat = new Heat(clock);
    this.#seats = new Seats({ connections, presence, attention, pairings });
    const requests: RequestContext = {
      people,
      conversations,
      connections,
      acquaintances,
      invites,
      logs,
      clock,
      crypto,
      metrics,
      heat,
      undeliveredLimit: config.undeliveredLimit ?? Number.POSITIVE_INFINITY,
      commit: this.#commit,
      presence,
      attention,
      directory,
      health: this.#health,
      pairings,
    };
    const openings = new Openings(ports, config.conversationRate);
    this.#requests = requests;
    this.#status = new StatusBoard({
      clock,
      metrics,
      heat,
      nodes,
      label: config.label ?? "",
      address: config.address ?? null,
      own: () => this.#ownState(),
      draining: () => !this.takesClients,
      writable: () => this.#health.ok,
    });
    this.#cluster =
      nodes &&
      new Cluster(nodes, {
        ...ports,
        requests,
        openings,
        seats: this.#seats,
        status: this.#status,
      });
    const cluster = this.#cluster;
    this.#context = {
      ports,
      config,
      people,
      health: this.#health,
      node: nodes?.node ?? "",
      run:
        ports.bus && !ports.bus.alone ? new Uint8Array(RUN_BYTES) : ports.random.bytes(RUN_BYTES),
      addresses: () => someOf(this.#status.addresses, ports.random),
      applications: cluster?.applications ?? pairings,
      async mayOpen(connection) {
        if (cluster) await cluster.gateway.mayOpen(connection);
        else openings.count(connection.deviceId);
      },
      answer: (connection, frame) =>
        cluster ? cluster.gateway.answer(connection, frame) : answer(requests, connection, frame),
      proven: (connection, registered) => this.#proven(connection, registered),
      ended: (connection) => this.#ended(connection),
    };
    void this.#countUsers();
  }

  /** Whether clients are taken and what they write can be kept. */
  get ready(): boolean {
    return this.takesClients && this.#health.ok;
  }

  get takesClients(): boolean {
    return this.#draining === null && !this.#stopping;
  }

  /** Connections of which it is not known yet whose they are. */
  get unproven(): number {
    return this.#unproven.size;
  }

  /** How many nodes there are, as far as this one knows. */
  get size(): number {
    return this.#nodes?.all.size ?? 1;
  }

  /** All nodes of the relay, as this one knows them. */
  get nodes(): readonly NodeStatus[] {
    return this.#status.status();
  }

  /** For the operator: what one of the user's own devices might ask. */
  askAsUser(userId: UserId, frame: OfUser): Promise<RelayFrame> {
    return askAsUser(this.#requests, this.#nodes, userId, frame);
  }

  connect(wire: ClientWire, limits: ConnectionLimits = UNLIMITED): Session {
    if (!this.takesClients) {
      refuse(wire, returnMs(this.#all.size) * this.#ports.random.fraction());
      return { receive: () => {}, receiveForeign: () => {}, closed: () => {} };
    }
    const connection = new Connection(wire, limits, this.#context, ++this.#connected);
    this.#all.add(connection);
    this.#unproven.add(connection);
    this.#ports.metrics.connections(this.#all.size);
    return connection;
  }

  /**
   * Takes no new clients and sends those that are here away, evenly over the time. Until then they are
   * served as ever, and what was begun ends. Resolves when all have gone; asked again it is the same.
   */
  drain(withinMs: number): Promise<void> {
    if (!this.#draining) {
      this.#draining = this.#sendAllAway(withinMs);
      this.#status.tell();
    }
    return this.#draining;
  }

  async #sendAllAway(withinMs: number): Promise<void> {
    const all = [...this.#all];
    const spreadMs = returnMs(all.length);
    await spreadOver(this.#ports.clock, all, withinMs, (connection, leftMs) => {
      // Where there is no other node, nobody takes them before this one is back.
      const waitMs = this.#nodes && this.#nodes.all.size > 1 ? 0 : leftMs;
      return connection.sendAway(waitMs + spreadMs * this.#ports.random.fraction());
    });
  }

  /** Refuses new clients and requests, ends the writes under way, and sends the clients away. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#status.tell();
    for (const connection of this.#all) connection.drain();
    await this.#commit.idle();
    const spreadMs = returnMs(this.#all.size);
    for (const connection of this.#all) connection.bid(spreadMs * this.#ports.random.fraction());
    await this.#presence.stop();
    await this.#sweeper.stop();
    this.#health.stop();
    this.#status.stop();
    this.#cluster?.stop();
  }

  /** Resolves when what the end of connections had to leave behind is written. */
  idle(): Promise<void> {
    return this.#presence.stop();
  }

  #proven(connection: Connection, registered: boolean): void {
    this.#unproven.delete(connection);
    if (this.#cluster) this.#cluster.gateway.arrived(connection);
    else this.#seats.take(connection);
    void this.#stays(connection);
    if (registered) void this.#countUsers();
  }

  /** A removal that came between its proof and its seat found nobody. */
  async #stays(connection: Connection): Promise<void> {
    try {
      const device = await this.#requests.people.device(connection.deviceId);
      if (device?.removed) connection.removed();
    } catch (error) {
      this.#ports.log.debug("device.not-looked-up", { error });
    }
  }

  #ended(connection: Connection): void {
    this.#all.delete(connection);
    this.#unproven.delete(connection);
    this.#ports.metrics.connections(this.#all.size);
    if (!connection.isProven) return;
    if (this.#cluster) this.#cluster.gateway.ended(connection);
    else this.#seats.leave(connection);
  }

  #ownState(): OwnState {
    const { entries, bytes } = this.#commit.backlog;
    let bufferedBytes = 0;
    for (const connection of this.#all) bufferedBytes += connection.bufferedBytes;
    return {
      connections: this.#all.size,
      draining: !this.takesClients,
      backlogEntries: entries,
      backlogBytes: bytes,
      bufferedBytes,
    };
  }

  async #countUsers(): Promise<void> {
    try {
      this.#ports.metrics.users(await this.#ports.store.directory.userCount());
    } catch (error) {
      this.#ports.log.warn("users.not-counted", { error });
    }
  }
}

function refuse(wire: ClientWire, retryAfterMs: number): void {
  const error = new DovetailError("shutting_down", undefined, { retryAfterMs });
  wire.send(relayFrames.encode(errorFrame(null, error)));
  wire.close(CloseCode.restart, error.code);
}

/** All, or as many as a client is told of: from any of them on, so that each is told of as often. */
function someOf(addresses: readonly string[], random: Random): readonly string[] {
  if (addresses.length <= MAX_RELAY_ADDRESSES) return addresses;
  const first = Math.floor(random.fraction() * addresses.length);
  return [...addresses.slice(first), ...addresses.slice(0, first)].slice(0, MAX_RELAY_ADDRESSES);
}
