import type { AddressInfo } from "node:net";
import { hostname } from "node:os";
import { Server as TlsServer } from "node:tls";
import type { Logger } from "pino";
import { nodeClock, nodeCrypto, nodeRandom } from "../../shared/node/runtime.js";
import type { IceServer } from "../../shared/protocol.js";
import { operate } from "../admin/operate.js";
import { backUps } from "../backup/running.js";
import type { NatsOptions } from "../bus/nats-bus.js";
import type { Retention } from "../core/config.js";
import { Relay } from "../core/relay.js";
import type { CassandraOptions } from "../store/cassandra/connect.js";
import { readTls, type TlsFiles } from "../tls.js";
import { Admission } from "./admission.js";
import { Gateway, type GatewayOptions } from "./gateway.js";
import { httpServer } from "./http.js";
import { Limits, type Rates } from "./limits.js";
import { logOf } from "./log.js";
import { measureCertificate, measureDisk, prometheusMetrics } from "./metrics.js";
import { openParts, type Worker } from "./parts.js";
import { type TurnOptions, turnServer } from "./turn.js";

export interface RelayServerOptions extends Rates, GatewayOptions {
  readonly host: string;
  /** 0 for any that is free. */
  readonly port: number;
  /** Folder of the database; made where it is missing. */
  readonly data: string;
  /** This process is one of several on those data. */
  readonly worker?: Worker | null;
  /** Of several processes all are drained, also those that are only started then: the first one tells them. */
  readonly drain?: {
    /** Over how many milliseconds. */
    readonly told: Promise<number>;
    askAll(withinMs: number): void;
  } | null;
  /** The cluster that has the data instead of that folder. */
  readonly cassandra?: CassandraOptions | null;
  /** Through which it hears the other nodes on that store; without, it takes itself for the only one. */
  readonly nats?: NatsOptions | null;
  /** Undefined: the one kept with the data, made at the first start. */
  readonly name?: string | undefined;
  readonly heartbeatMs: number;
  /** Address under which clients reach it, as others are told. */
  readonly advertise?: string | undefined;
  /** Connections that a process takes in a second. */
  readonly acceptRate: number;
  /** Conversations that one device opens, makes or joins in an hour. */
  readonly conversationRate: number;
  /** Entries that one conversation may hold for others who take none; absent: any. */
  readonly undeliveredLimit?: number | undefined;
  readonly iceServers: readonly IceServer[];
  /** Absent: what is in front of it does TLS, or nothing. */
  readonly tls?: TlsFiles | null;
  /** One that shares a secret with this relay. */
  readonly turn?: TurnOptions | null;
  readonly invites: ReadonlyMap<string, number | null>;
  readonly retention?: Retention | undefined;
}

export interface RelayServer {
  readonly url: string;
  readonly http: string;
  readonly port: number;
  /** Takes a certificate that was renewed; connections stay. One that is no good is logged, and the old one stays. */
  renew(): void;
  /** An operator's command has sent all clients away: it is to be closed. */
  readonly drained: Promise<void>;
  /** The other nodes are not to be reached any more: it is to be closed, and started again. */
  readonly lost: Promise<void>;
  /** Refuses new clients, ends what runs and sends the clients away. Others may still ask this worker. */
  stop(): Promise<void>;
  /** The same, and closes the database. */
  close(): Promise<void>;
}

/** @throws DovetailError when the data cannot be opened, or Node's error when the port cannot. */
export async function startRelayServer(
  options: RelayServerOptions,
  logger: Logger,
): Promise<RelayServer> {
  const log = logOf(logger);
  const { tls } = options;
  const pair = tls ? readTls(tls) : null;
  const { metrics, registry } = prometheusMetrics();
  // With a cluster the data are elsewhere.
  if (!options.cassandra) measureDisk(registry, options.data);
  const shown = pair ? measureCertificate(registry) : () => {};
  if (pair) shown(pair.cert);
  const parts = await openParts(options, log, registry);
  const { store, bus, metricsOfAll, snapshots, close } = parts;
  try {
    const name = options.name ?? store.name;
    const ports = { store, metrics, log, clock: nodeClock, random: nodeRandom, crypto: nodeCrypto };
    const relay = new Relay(
      { ...ports, ...(bus && { bus }) },
      {
        name,
        heartbeatMs: options.heartbeatMs,
        label: `${hostname()}/${process.pid}`,
        address: options.advertise,
        iceServers: (user) => [
          ...options.iceServers,
          ...(options.turn ? [turnServer(options.turn, user, nodeClock.now())] : []),
        ],
        invites: options.invites,
        undeliveredLimit: options.undeliveredLimit,
        conversationRate: options.conversationRate,
        retention: options.retention,
      },
    );
    const gateway = new Gateway(
      relay,
      new Limits(nodeClock, options, () => relay.size),
      new Admission(nodeClock, options.acceptRate),
      { metrics, log },
      options,
    );
    const app = httpServer(() => relay.ready, metricsOfAll, pair, options.maxConnections);
    app.server.on("upgrade", (request, socket, head) => gateway.upgrade(request, socket, head));
    let allGone = (): void => {};
    const drained = new Promise<void>((resolve) => {
      allGone = resolve;
    });
    const drain = (withinMs: number): void => {
      log.info("relay.draining", { withinMs });
      void relay.drain(withinMs).then(allGone);
    };
    void options.drain?.told.then(drain);
    // Before it takes clients, so that it does not first believe that all of them are its own.
    await bus?.gathered?.();
    await app.listen({ host: options.host, port: options.port });
    const admin = await operate(options, {
      ...{ name, relay, store, log, invites: options.invites },
      backUp: backUps(store.name, snapshots, nodeClock),
      async drain(withinMs) {
        options.drain?.askAll(withinMs);
        if (options.drain) await options.drain.told;
        else drain(withinMs);
      },
    });

    const { port } = app.server.address() as AddressInfo;
    const authority = `${reachable(options.host)}:${port}`;
    let stopped: Promise<void> | null = null;
    const stop = (): Promise<void> => {
      stopped ??= (async () => {
        admin.refuse();
        await relay.stop();
        await gateway.close();
        await relay.idle();
        await app.close();
      })();
      return stopped;
    };
    return {
      url: `${pair ? "wss" : "ws"}://${authority}`,
      http: `${pair ? "https" : "http"}://${authority}`,
      port,
      renew() {
        if (!tls || !(app.server instanceof TlsServer)) return;
        try {
          const renewed = readTls(tls);
          app.server.setSecureContext(renewed);
          shown(renewed.cert);
          log.info("tls.renewed");
        } catch (error) {
          log.error("tls.not-renewed", { error });
        }
      },
      drained,
      lost: bus?.lost ?? new Promise(() => {}),
      stop,
      async close() {
        await stop();
        await close();
        await admin.close();
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** An address to connect to, where the one to listen on means all of them. */
function reachable(host: string): string {
  if (host === "0.0.0.0") return "127.0.0.1";
  if (host === "::") return "[::1]";
  return host.includes(":") ? `[${host}]` : host;
}
