/** A relay of three nodes, on three Cassandra nodes and three NATS servers: all on this machine. */
import { mkdirSync } from "node:fs";
import { createServer, connect as dial, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { CassandraRelayStore } from "../../../relay/store/cassandra/cassandra-relay-store.js";
import { startCassandra, warmUp } from "../../parts/cassandra.mjs";
import { freePort, startNats } from "../../parts/nats.mjs";
import { NO_LIMITS, type Relay } from "../../real/processes.js";
import { type Place, RelayMachine, type RelayProgram } from "./machine.js";
import { RelayPath } from "./relay-path.js";

const NODES = 3;
/** Longer than any server or database node stays away. */
const RESTART_MS = 120_000;
const RESTART_PAUSE_MS = 500;
const KEYSPACE = "dovetail";

type Nats = Awaited<ReturnType<typeof startNats>>;
type Cassandra = Awaited<ReturnType<typeof startCassandra>>;

/** What outlives the relay: store and bus. */
export class Services {
  readonly cassandra: Cassandra;
  readonly nats: readonly Nats[];
  readonly natsPorts: readonly number[];
  /** From each NATS server to each other, both ways. */
  readonly #routes: ReadonlyMap<string, RelayPath>;

  private constructor(
    cassandra: Cassandra,
    nats: { servers: readonly Nats[]; ports: readonly number[] },
    routes: ReadonlyMap<string, RelayPath>,
  ) {
    this.cassandra = cassandra;
    this.nats = nats.servers;
    this.natsPorts = nats.ports;
    this.#routes = routes;
  }

  /** What Cassandra has to say and to keep goes into that folder; `isLasting` where they are there for minutes. */
  static async start(folder: string, isLasting: boolean): Promise<Services> {
    const ports = await Promise.all(Array.from({ length: NODES * 2 }, () => freePort()));
    const clients: number[] = ports.slice(0, NODES);
    const peers: number[] = ports.slice(NODES);
    const routes = new Map<string, RelayPath>();
    for (const [to, port] of peers.entries()) {
      for (let from = 0; from < NODES; from++) {
        if (from === to) continue;
        routes.set(`${from}.${to}`, await RelayPath.open("127.0.0.1", port, Math.random));
      }
    }
    const servers = await Promise.all(
      clients.map((port, from) =>
        startNats({
          port,
          cluster: {
            port: peers[from] as number,
            routes: peers.flatMap((_, to) => routes.get(`${from}.${to}`)?.port ?? []),
          },
        }),
      ),
    );
    const cassandra = await startCassandra(NODES, {
      into: join(folder, "cassandra"),
      isLasting,
    });
    await warmUp(cassandra);
    return new Services(cassandra, { servers, ports: clients }, routes);
  }

  /** Its NATS server and the others do not hear each other, nor do the nodes at them. */
  partition(node: number, way: "open" | "silent" | "cut"): void {
    for (const [name, route] of this.#routes) {
      if (name.split(".").includes(String(node))) route.way = way;
    }
  }

  openStore(): Promise<CassandraRelayStore> {
    const { contactPoints, datacenter } = this.cassandra;
    return CassandraRelayStore.open(
      { contactPoints, localDatacenter: datacenter, keyspace: KEYSPACE, replication: NODES },
      "unused",
    );
  }

  async close(): Promise<void> {
    await Promise.all(this.nats.map((server) => server.close()));
    await Promise.all([...this.#routes.values()].map((route) => route.close()));
    await this.cassandra.close();
  }
}

/** Brings each connection to some node that takes it, as a load balancer does. */
class Balancer {
  readonly #server: Server;
  readonly #ports: () => readonly number[];

  private constructor(ports: () => readonly number[]) {
    this.#ports = ports;
    this.#server = createServer((client) => this.#accept(client));
  }

  static async open(port: number, ports: () => readonly number[]): Promise<Balancer> {
    const balancer = new Balancer(ports);
    await new Promise<void>((done, failed) => {
      balancer.#server.once("error", failed).listen(port, "127.0.0.1", done);
    });
    return balancer;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  close(): void {
    this.#server.close();
  }

  #accept(client: Socket): void {
    const ports = this.#ports();
    const port = ports[Math.floor(Math.random() * ports.length)];
    if (port === undefined) {
      client.resetAndDestroy();
      return;
    }
    const node = dial(port, "127.0.0.1");
    for (const [from, to] of [
      [client, node],
      [node, client],
    ] as const) {
      from.setNoDelay(true);
      from.on("error", () => to.destroy());
      from.on("close", () => to.destroy());
    }
    client.pipe(node).pipe(client);
  }
}

/** The nodes as one program. */
class Nodes implements RelayProgram {
  readonly running: (Relay | null)[] = [];
  readonly workers = [];
  readonly #balancer: Balancer;
  readonly #ended: Promise<never>;
  #end: (ending: unknown) => void = () => {};

  constructor(balancer: Balancer) {
    this.#balancer = balancer;
    this.#ended = new Promise((_, reject) => {
      this.#end = reject;
    });
    this.#ended.catch(() => undefined);
  }

  get port(): number {
    return this.#balancer.port;
  }

  set(node: number, relay: Relay): void {
    this.running[node] = relay;
    void relay.exited().then((ending) => {
      if (this.running[node] === relay) this.#end(`node ${node}: ${ending}`);
    });
  }

  /** Its end is nobody's fault from now on. */
  take(node: number): Relay | null {
    const relay = this.running[node] ?? null;
    this.running[node] = null;
    return relay;
  }

  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<unknown> {
    this.#balancer.close();
    const all = this.running.map((_, node) => this.take(node));
    return Promise.all(all.map((relay) => relay?.kill(signal)));
  }

  signal(signal: "SIGSTOP" | "SIGCONT"): void {
    for (const relay of this.running) relay?.signal(signal);
  }

  exited(): Promise<unknown> {
    return this.#ended.catch((ending: unknown) => ending);
  }
}

export class ClusterMachine extends RelayMachine {
  readonly services: Services;
  readonly nodes = NODES;
  #program: Nodes | null = null;

  constructor(name: string, place: Place, services: Services) {
    super(name, place, 1);
    this.services = services;
  }

  protected override async launch(): Promise<RelayProgram> {
    const program: Nodes = new Nodes(
      await Balancer.open(this.port, () => program.running.flatMap((relay) => relay?.port ?? [])),
    );
    this.#program = program;
    this.port = program.port;
    // The first makes the tables.
    for (let node = 0; node < NODES; node++) program.set(node, await this.#restart(node));
    return program;
  }

  /** False where the node does not run, as when all are stopped. */
  async killNode(node: number, wait: () => Promise<void>): Promise<boolean> {
    const program = this.#program;
    const relay = program?.take(node);
    if (!program || !relay) return false;
    await relay.kill("SIGKILL");
    await wait();
    if (this.running === program) program.set(node, await this.#restart(node));
    return true;
  }

  async pauseNode(node: number, wait: () => Promise<void>): Promise<boolean> {
    const relay = this.#program?.running[node];
    if (!relay) return false;
    relay.signal("SIGSTOP");
    await wait();
    relay.signal("SIGCONT");
    return true;
  }

  /** As a supervisor does: a relay ends at once where its NATS server does not answer. */
  async #restart(node: number): Promise<Relay> {
    for (const end = Date.now() + RESTART_MS; ; ) {
      try {
        return await this.#start(node);
      } catch (error) {
        if (Date.now() > end) throw error;
        await new Promise((done) => setTimeout(done, RESTART_PAUSE_MS));
      }
    }
  }

  #start(node: number): Promise<Relay> {
    const { cassandra, natsPorts } = this.services;
    const data = join(this.data, `${node}`);
    mkdirSync(data, { recursive: true });
    return this.place.scene.relay({
      data,
      log: this.log.replace(/\.log$/, `-${node}.log`),
      within: this.shifted,
      args: [
        ...NO_LIMITS,
        ...["--heartbeat-ms", "2000", "--log-level", "info", "--store", "cassandra"],
        ...["--cassandra-contact-points", cassandra.contactPoints.join(",")],
        ...["--cassandra-keyspace", KEYSPACE, "--cassandra-local-dc", cassandra.datacenter],
        ...["--cassandra-replication", `${NODES}`, "--nats", `127.0.0.1:${natsPorts[node]}`],
      ],
    });
  }
}
