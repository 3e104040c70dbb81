/** Store and bus as the options say. */
import { randomBytes, randomUUID } from "node:crypto";
import type { Registry } from "prom-client";
import { openLevel } from "../../shared/node/level-key-value.js";
import { nodeClock } from "../../shared/node/runtime.js";
import type { Log } from "../../shared/runtime.js";
import { Barrier } from "../backup/barrier.js";
import { refuseMarked } from "../backup/marks.js";
import { LocalPart, partMethods, type SnapshotPart } from "../backup/part.js";
import { NatsBus, type NatsOptions } from "../bus/nats-bus.js";
import type { Bus } from "../core/cluster/bus.js";
import { NODE_PROTOCOL } from "../core/cluster/messages.js";
import type { NodeId } from "../core/cluster/ring.js";
import type { RelayStore } from "../core/ports.js";
import { CassandraRelayStore } from "../store/cassandra/cassandra-relay-store.js";
import type { CassandraOptions } from "../store/cassandra/connect.js";
import { KvRelayStore } from "../store/kv-relay-store.js";
import { ShardedRelayStore } from "../store/sharded/sharded-store.js";
import { aloneBus } from "../workers/alone.js";
import { ONE_STORE, type OpenFolders, openFolders, shardsIn } from "../workers/folders.js";
import { Mesh, type MeshOptions } from "../workers/mesh.js";
import { inFolders, prepareFolders } from "../workers/prepare.js";
import { measuredBy, textOfAll } from "./metrics.js";

/** Of a node's id, which is new at every start. */
const NODE_BYTES = 16;

export interface Worker extends MeshOptions {
  /** Of the relay. */
  readonly name: string;
}

interface PartOptions {
  readonly data: string;
  readonly worker?: Worker | null;
  readonly cassandra?: CassandraOptions | null;
  readonly nats?: NatsOptions | null;
  readonly name?: string | undefined;
}

type Taker = (args: readonly unknown[]) => Promise<unknown>;

export interface Parts {
  readonly store: RelayStore & { readonly name: string };
  /** Null where nobody else can write the store. */
  readonly bus: (Bus & { gathered?(): Promise<void>; readonly lost?: Promise<void> }) | null;
  /** Prometheus text of this process, or of all workers. */
  readonly metricsOfAll: () => Promise<string>;
  /** The embedded store, of this process and the other workers, for backups; null where there is none. */
  readonly snapshots: readonly SnapshotPart[] | null;
  close(): Promise<void>;
}

/** @throws DovetailError when the data cannot be opened or the other nodes not be reached. */
export async function openParts(
  options: PartOptions,
  log: Log,
  registry: Registry,
): Promise<Parts> {
  const metricsOfAll = () => registry.metrics();
  if (options.worker) return worker(options.worker, options.data, log, registry);
  if (options.cassandra) return cassandra(options, options.cassandra, log, metricsOfAll);
  if (await inFolders(options.data)) return alone(options.data, log, metricsOfAll);
  await refuseMarked(options.data);
  const barrier = new Barrier();
  const kv = barrier.guard(await openLevel(options.data));
  try {
    const store = await KvRelayStore.open(kv, `relay-${randomUUID()}`);
    const snapshots = [new LocalPart([{ name: ONE_STORE, kv }], barrier, nodeClock)];
    return { store, bus: null, metricsOfAll, snapshots, close: () => kv.close() };
  } catch (error) {
    await kv.close();
    throw error;
  }
}

async function cassandra(
  { nats, name }: PartOptions,
  options: CassandraOptions,
  log: Log,
  metricsOfAll: () => Promise<string>,
): Promise<Parts> {
  const store = await CassandraRelayStore.open(options, `relay-${randomUUID()}`);
  const snapshots = null;
  if (!nats) {
    // Others may write the keyspace all the same: nothing that is remembered is believed for long.
    const bus = aloneBus(randomBytes(NODE_BYTES).toString("hex"));
    return { store, bus, metricsOfAll, snapshots, close: () => store.close() };
  }
  try {
    const node = randomBytes(NODE_BYTES).toString("hex") as NodeId;
    const relay = name ?? store.name;
    const parts = { relay, protocol: NODE_PROTOCOL, node, clock: nodeClock, log };
    const bus = await NatsBus.open(nats, parts);
    const close = async () => {
      await bus.close();
      await store.close();
    };
    return { store, bus, metricsOfAll, snapshots, close };
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** One process on data that several have shared. */
async function alone(data: string, log: Log, metricsOfAll: () => Promise<string>): Promise<Parts> {
  const name = await prepareFolders(data, log);
  const barrier = new Barrier();
  const folders = await openFolders(shardsIn(data), { index: 0, count: 1 }, null, log, barrier);
  const snapshots = [new LocalPart(folders.stores, barrier, nodeClock)];
  const store = Object.assign(new ShardedRelayStore(folders), { name });
  const bus = aloneBus(randomBytes(NODE_BYTES).toString("hex"));
  return { store, bus, metricsOfAll, snapshots, close: () => folders.close() };
}

const METRICS = "metrics";
/** Milliseconds for what is asked of all: whoever asks an operator's question does not wait for one that hangs. */
const ALL_MS = 2_000;
const SNAPSHOT = "snapshot-";

/** The stores of another worker. */
const partOf = (mesh: Mesh, seat: number): SnapshotPart =>
  Object.fromEntries(
    partMethods.map((name) => [
      name,
      (...args: readonly unknown[]) => mesh.ask(seat, `${SNAPSHOT}${name}`, args),
    ]),
  ) as unknown as SnapshotPart;

async function worker(
  { name, ...options }: Worker,
  data: string,
  log: Log,
  registry: Registry,
): Promise<Parts> {
  const mesh = await Mesh.open(options, { clock: nodeClock, log });
  const barrier = new Barrier();
  let folders: OpenFolders;
  try {
    folders = await openFolders(shardsIn(data), options, mesh, log, barrier);
  } catch (error) {
    await mesh.close();
    throw error;
  }
  const own = () => measuredBy(registry, options.index);
  const part: SnapshotPart = new LocalPart(folders.stores, barrier, nodeClock);
  const takers = new Map<string, Taker>([
    [METRICS, own],
    ...partMethods.map((name): [string, Taker] => [
      `${SNAPSHOT}${name}`,
      (args) => (part[name] as (...args: readonly unknown[]) => Promise<unknown>)(...args),
    ]),
  ]);
  mesh.answers((subject, args) => takers.get(subject)?.(args) ?? folders.answer(subject, args));
  const others = Array.from({ length: options.count }, (_, index) => index).filter(
    (index) => index !== options.index,
  );
  return {
    store: Object.assign(new ShardedRelayStore(folders), { name }),
    bus: mesh,
    snapshots: [part, ...others.map((index) => partOf(mesh, index))],
    async metricsOfAll() {
      // One that gives no answer is missing, and in dovetail_workers.
      const asked = others.map((index) =>
        mesh.ask(index, METRICS, [], ALL_MS).then(
          (answer) => answer as Awaited<ReturnType<typeof own>>,
          () => [],
        ),
      );
      return textOfAll(await Promise.all([own(), ...asked]));
    },
    async close() {
      await mesh.close();
      await folders.close();
    },
  };
}
