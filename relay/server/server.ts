import { randomBytes, randomUUID } from "node:crypto";
import type { AddressInfo } from "node:net";
import type { Logger } from "pino";
import { openLevel } from "../../shared/node/level-key-value.js";
import { nodeClock, nodeCrypto, nodeRandom } from "../../shared/node/runtime.js";
import type { IceServer } from "../../shared/protocol.js";
import type { Log } from "../../shared/runtime.js";
import { NatsBus, type NatsOptions } from "../bus/nats-bus.js";
import type { NodeId } from "../core/cluster/ring.js";
import type { Retention } from "../core/config.js";
import type { RelayStore } from "../core/ports.js";
import { Relay } from "../core/relay.js";
import { CassandraRelayStore } from "../store/cassandra/cassandra-relay-store.js";
import type { CassandraOptions } from "../store/cassandra/database.js";
import { KvRelayStore } from "../store/kv-relay-store.js";
import { Gateway, type GatewayOptions } from "./gateway.js";
import { httpServer } from "./http.js";
import { Limits, type Rates } from "./limits.js";
import { prometheusMetrics } from "./metrics.js";
import { type TurnOptions, turnServer } from "./turn.js";

/** Of a node's id, which is new at every start. */
const NODE_BYTES = 16;

export interface RelayServerOptions extends Rates, GatewayOptions {
  readonly host: string;
  /** 0 for any that is free. */
  readonly port: number;
  /** Folder of the database; made where it is missing. */
  readonly data: string;
  /** The cluster that has the data instead of that folder. */
  readonly cassandra?: CassandraOptions | null;
  /** Through which it hears the other nodes on that store; without, it takes itself for the only one. */
  readonly nats?: NatsOptions | null;
  /** Undefined: the one kept with the data, made at the first start. */
  readonly name?: string | undefined;
  readonly heartbeatMs: number;
  readonly iceServers: readonly IceServer[];
  /** One that shares a secret with this relay. */
  readonly turn?: TurnOptions | null;
  readonly invites: ReadonlyMap<string, number | null>;
  readonly retention?: Retention | undefined;
}

export interface RelayServer {
  readonly url: string;
  readonly http: string;
  /** Refuses new clients, ends what runs, sends the clients away and closes the database. */
  close(): Promise<void>;
}

/** @throws DovetailError when the data cannot be opened, or Node's error when the port cannot. */
export async function startRelayServer(
  options: RelayServerOptions,
  logger: Logger,
): Promise<RelayServer> {
  const log = logOf(logger);
  const { store, close: closeStore } = await openStore(options);
  let bus: NatsBus | null = null;
  try {
    const { metrics, registry } = prometheusMetrics();
    const name = options.name ?? store.name;
    if (options.nats) {
      const node = randomBytes(NODE_BYTES).toString("hex") as NodeId;
      bus = await NatsBus.open(options.nats, { relay: name, node, clock: nodeClock, log });
    }
    const ports = { store, metrics, log, clock: nodeClock, random: nodeRandom, crypto: nodeCrypto };
    const relay = new Relay(
      { ...ports, ...(bus && { bus }) },
      {
        name,
        heartbeatMs: options.heartbeatMs,
        iceServers: (user) => [
          ...options.iceServers,
          ...(options.turn ? [turnServer(options.turn, user, nodeClock.now())] : []),
        ],
        invites: options.invites,
        retention: options.retention,
      },
    );
    const gateway = new Gateway(relay, new Limits(options), { metrics, log }, options);
    const app = httpServer(() => relay.ready, registry);
    app.server.on("upgrade", (request, socket, head) => gateway.upgrade(request, socket, head));
    // Before it takes clients, so that it does not first believe that all of them are its own.
    await bus?.gathered();
    await app.listen({ host: options.host, port: options.port });

    const { port } = app.server.address() as AddressInfo;
    const authority = `${reachable(options.host)}:${port}`;
    return {
      url: `ws://${authority}`,
      http: `http://${authority}`,
      async close() {
        await relay.stop();
        await gateway.close();
        await app.close();
        await bus?.close();
        await closeStore();
      },
    };
  } catch (error) {
    await bus?.close();
    await closeStore();
    throw error;
  }
}

interface OpenStore {
  readonly store: RelayStore & { readonly name: string };
  close(): Promise<void>;
}

async function openStore({ cassandra, data }: RelayServerOptions): Promise<OpenStore> {
  const newName = `relay-${randomUUID()}`;
  if (cassandra) {
    const store = await CassandraRelayStore.open(cassandra, newName);
    return { store, close: () => store.close() };
  }
  const kv = await openLevel(data);
  try {
    return { store: await KvRelayStore.open(kv, newName), close: () => kv.close() };
  } catch (error) {
    await kv.close();
    throw error;
  }
}

/** An address to connect to, where the one to listen on means all of them. */
function reachable(host: string): string {
  if (host === "0.0.0.0") return "127.0.0.1";
  if (host === "::") return "[::1]";
  return host.includes(":") ? `[${host}]` : host;
}

function logOf(logger: Logger): Log {
  return {
    debug: (event, fields = {}) => logger.debug(serialisable(fields), event),
    info: (event, fields = {}) => logger.info(serialisable(fields), event),
    warn: (event, fields = {}) => logger.warn(serialisable(fields), event),
    error: (event, fields = {}) => logger.error(serialisable(fields), event),
  };
}

/** pino writes stack and causes of what is called `err`. */
function serialisable(fields: object): object {
  if (!("error" in fields)) return fields;
  const { error, ...rest } = fields;
  return { ...rest, err: error };
}
