import { DovetailError } from "../../shared/errors.js";
import { CloseCode, relayFrames } from "../../shared/protocol.js";
import { Acquaintances } from "./acquaintances.js";
import { AttentionBoard } from "./attention.js";
import type { RelayConfig } from "./config.js";
import { Connection, type ConnectionContext } from "./connection.js";
import { Connections } from "./connections.js";
import { Conversations } from "./conversations.js";
import { tellDevices } from "./devices.js";
import { GroupCommit } from "./group-commit.js";
import { PairingBoard } from "./pairing.js";
import { People } from "./people.js";
import type { ClientWire, ConnectionLimits, RelayPorts } from "./ports.js";
import { PresenceBoard } from "./presence.js";
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

const UNLIMITED: ConnectionLimits = { registration: () => 0, request: () => 0 };

/** A relay without sockets: what comes in by `connect` goes through the ports. */
export class Relay {
  readonly #ports: RelayPorts;
  readonly #commit: GroupCommit;
  readonly #presence: PresenceBoard;
  readonly #attention: AttentionBoard;
  readonly #pairings: PairingBoard;
  readonly #health: WriteHealth;
  readonly #sweeper: Sweeper;
  readonly #connections: Connections;
  readonly #context: ConnectionContext;
  readonly #all = new Set<Connection>();
  #stopping = false;

  constructor(ports: RelayPorts, config: RelayConfig) {
    const { clock, crypto, metrics, log, store } = ports;
    const { logs, directory, invites } = store;
    this.#ports = ports;
    const people = new People(directory);
    const conversations = new Conversations(logs, people, clock);
    const acquaintances = new Acquaintances({ logs, directory, crypto }, conversations);
    const connections = new Connections(metrics);
    this.#connections = connections;
    this.#health = new WriteHealth(logs, clock, log);
    this.#commit = new GroupCommit({ logs, metrics, clock, log }, conversations, this.#health);
    this.#sweeper = new Sweeper(
      { logs, directory, clock, metrics, log },
      conversations,
      this.#health,
      config.retention ?? "forever",
    );
    this.#pairings = new PairingBoard(clock);
    this.#presence = new PresenceBoard({ directory, clock, log }, acquaintances, connections);
    this.#attention = new AttentionBoard(connections, clock);
    this.#context = {
      ports,
      config,
      people,
      connections,
      health: this.#health,
      requests: {
        people,
        conversations,
        connections,
        acquaintances,
        invites,
        logs,
        clock,
        crypto,
        metrics,
        commit: this.#commit,
        presence: this.#presence,
        attention: this.#attention,
        directory,
        health: this.#health,
        pairings: this.#pairings,
      },
      proven: (connection, registered) => this.#proven(connection, registered),
      ended: (connection) => this.#ended(connection),
    };
    void this.#countUsers();
  }

  /** Whether clients are taken and what they write can be kept. */
  get ready(): boolean {
    return !this.#stopping && this.#health.ok;
  }

  connect(wire: ClientWire, limits: ConnectionLimits = UNLIMITED): Session {
    if (this.#stopping) {
      refuse(wire);
      return { receive: () => {}, receiveForeign: () => {}, closed: () => {} };
    }
    const connection = new Connection(wire, limits, this.#context);
    this.#all.add(connection);
    this.#ports.metrics.connections(this.#all.size);
    return connection;
  }

  /** Refuses new clients and requests, ends the writes under way, and sends the clients away. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const connection of this.#all) connection.drain();
    await this.#commit.idle();
    for (const connection of this.#all) connection.close(CloseCode.restart, "shutting_down");
    await this.#presence.idle();
    await this.#sweeper.stop();
    this.#health.stop();
  }

  #proven(connection: Connection, registered: boolean): void {
    this.#connections.add(connection)?.replaced();
    this.#presence.arrived(connection);
    this.#attention.arrived(connection);
    tellDevices(this.#connections, connection);
    if (registered) void this.#countUsers();
  }

  #ended(connection: Connection): void {
    this.#all.delete(connection);
    this.#ports.metrics.connections(this.#all.size);
    if (connection.isProven) {
      this.#pairings.close(connection);
      this.#presence.left(connection, this.#connections.remove(connection));
      this.#attention.left(connection);
      tellDevices(this.#connections, connection);
    }
  }

  async #countUsers(): Promise<void> {
    try {
      this.#ports.metrics.users(await this.#ports.store.directory.userCount());
    } catch (error) {
      this.#ports.log.warn("users.not-counted", { error });
    }
  }
}

function refuse(wire: ClientWire): void {
  const { code, message } = new DovetailError("shutting_down");
  wire.send(
    relayFrames.encode({
      type: "error",
      requestId: null,
      code,
      message,
      retryAfterMs: null,
      expected: null,
    }),
  );
  wire.close(CloseCode.restart, code);
}
