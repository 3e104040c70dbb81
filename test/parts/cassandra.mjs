/**
 * Apache Cassandra for tests: `getCassandra()` has Maven bring its jars into a cache folder of the
 * user, `startCassandra(n)` starts n nodes on 127.0.0.1, 127.0.0.2, … with data of their own, which end
 * with them, or in the caller's folder.
 */
import { execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, open, readFile, rename, rm, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import cassandra from "cassandra-driver";

const run = promisify(execFile);
/** Beside this file; or, where that was bundled, as seen from the project's folder. */
const POM = ["./pom.xml", "../../test/parts/pom.xml"]
  .map((path) => fileURLToPath(new URL(path, import.meta.url)))
  .find((path) => existsSync(path));
const PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";
const DOWNLOAD_MS = 10 * 60_000;
const START_MS = 4 * 60_000;
const STOP_MS = 20_000;
const POLL_MS = 250;
const NEW_STARTS = 3;
/** Of one node, in MiB: enough for tests, three of them on a small machine. */
const HEAP_MIB = 512;
const DATACENTER = "datacenter1";

/** What Cassandra's own jvm17-server.options opens to it. */
const EXPORTS = [
  "java.base/jdk.internal.misc",
  "java.management.rmi/com.sun.jmx.remote.internal.rmi",
  "java.rmi/sun.rmi.registry",
  "java.rmi/sun.rmi.server",
  "java.rmi/sun.rmi.transport.tcp",
  "java.sql/java.sql",
];
const OPENS = [
  "java.base/java.io",
  "java.base/java.lang",
  "java.base/java.lang.module",
  "java.base/java.lang.reflect",
  "java.base/java.math",
  "java.base/java.net",
  "java.base/java.nio",
  "java.base/java.util",
  "java.base/java.util.concurrent",
  "java.base/java.util.concurrent.atomic",
  "java.base/jdk.internal.loader",
  "java.base/jdk.internal.math",
  "java.base/jdk.internal.module",
  "java.base/jdk.internal.ref",
  "java.base/jdk.internal.reflect",
  "java.base/jdk.internal.util.jar",
  "java.base/sun.nio.ch",
  "java.management/com.sun.jmx.remote.security",
  "jdk.management/com.sun.management.internal",
];

/** By what is in it, so that another version gets another folder. */
function cachedLib() {
  const cache = process.env.DOVETAIL_CACHE ?? join(homedir(), ".cache", "dovetail");
  const version = createHash("sha256").update(readFileSync(POM)).digest("hex").slice(0, 12);
  return join(cache, `cassandra-${version}`);
}

export const hasCassandra = () => existsSync(cachedLib());

async function works(command, args) {
  return run(command, args, { timeout: 30_000 }).then(
    ({ stdout, stderr }) => stdout + stderr,
    () => null,
  );
}

const JAVA = 17;

/** Why it can neither be had nor run here; null where it can. */
export async function whyNoCassandra() {
  const java = await works("java", ["-version"]);
  if (java === null) return `Cassandra runs on Java ${JAVA}, which is not installed`;
  const version = /version "(\d+)/.exec(java)?.[1];
  if (version !== `${JAVA}`) return `Cassandra runs on Java ${JAVA}; this is Java ${version}`;
  if (hasCassandra() || (await works("mvn", ["-version"])) !== null) return null;
  return "Cassandra is brought by Maven, which is not installed";
}

/** Gives the folder of the jars. Says what is missing where it cannot bring them. */
export async function getCassandra(withinMs = DOWNLOAD_MS) {
  const lib = cachedLib();
  if (existsSync(lib)) return lib;
  const reason = await whyNoCassandra();
  if (reason !== null) throw new Error(reason);
  const partial = `${lib}.${process.pid}`;
  await mkdir(partial, { recursive: true });
  try {
    await run(
      "mvn",
      ["-B", "-q", "-f", POM, PLUGIN, "-DincludeScope=runtime", `-DoutputDirectory=${partial}`],
      { timeout: withinMs, maxBuffer: 1 << 24 },
    );
    // Whole or not at all, also where two do it at once.
    await rename(partial, lib);
  } catch (error) {
    if (!existsSync(lib)) throw error;
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
  return lib;
}

const address = (node) => `127.0.0.${node}`;

const yaml = (node, folder, more) =>
  Object.entries({
    cluster_name: "dovetail-test",
    partitioner: "org.apache.cassandra.dht.Murmur3Partitioner",
    endpoint_snitch: "SimpleSnitch",
    listen_address: address(node),
    rpc_address: address(node),
    num_tokens: 8,
    // What counts as written is on the disk, also when all nodes fall at once.
    commitlog_sync: "group",
    commitlog_sync_group_window: "2ms",
    commitlog_segment_size: "32MiB",
    commitlog_total_space: "256MiB",
    paxos_variant: "v2",
    memtable_heap_space: "64MiB",
    memtable_offheap_space: "64MiB",
    file_cache_size: "32MiB",
    // Three nodes that have just begun share a machine with all that asks them.
    read_request_timeout: "10s",
    write_request_timeout: "10s",
    cas_contention_timeout: "5s",
    concurrent_reads: 16,
    concurrent_writes: 16,
    auto_snapshot: false,
    data_file_directories: `["${join(folder, "data")}"]`,
    commitlog_directory: join(folder, "commitlog"),
    hints_directory: join(folder, "hints"),
    saved_caches_directory: join(folder, "saved_caches"),
    seed_provider: `[{class_name: org.apache.cassandra.locator.SimpleSeedProvider, parameters: [{seeds: "${address(1)}"}]}]`,
    ...more,
  })
    .map(([key, value]) => `${key}: ${value}`)
    .join("\n");

const LOGBACK = `<configuration>
  <appender name="out" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%-5level %date{ISO8601} %logger{0} %msg%n</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="out"/></root>
</configuration>
`;

const flags = (lib, folder, node, isLasting) => [
  `-javaagent:${join(lib, "jamm-0.4.0.jar")}`,
  "-cp",
  `${folder}:${join(lib, "*")}`,
  `-Xms${HEAP_MIB}m`,
  `-Xmx${HEAP_MIB}m`,
  "-XX:MaxDirectMemorySize=256m",
  "-XX:+UseSerialGC",
  // Compiling well what soon ends takes as much as all else that it does.
  ...(isLasting ? [] : ["-XX:TieredStopAtLevel=1"]),
  "-XX:+ExitOnOutOfMemoryError",
  "-XX:+PerfDisableSharedMem",
  "-Xss256k",
  "-Djdk.attach.allowAttachSelf=true",
  ...EXPORTS.flatMap((name) => ["--add-exports", `${name}=ALL-UNNAMED`]),
  ...OPENS.flatMap((name) => ["--add-opens", `${name}=ALL-UNNAMED`]),
  "-Dio.netty.tryReflectionSetAccessible=true",
  `-Dcassandra.storagedir=${folder}`,
  `-Dcassandra.config=file:${join(folder, "cassandra.yaml")}`,
  `-Dlogback.configurationFile=${join(folder, "logback.xml")}`,
  `-Dcassandra.jmx.local.port=${7_199 + node - 1}`,
  "-Dcassandra-foreground=yes",
  "-Dcassandra.superuser_setup_delay_ms=0",
  "-Dcassandra.skip_wait_for_gossip_to_settle=0",
  "-Dcassandra.ring_delay_ms=2000",
  "org.apache.cassandra.service.CassandraDaemon",
];

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

class Node {
  #child = null;
  #exited = Promise.resolve();

  constructor(lib, folder, number, { settings, access, isLasting }) {
    this.lib = lib;
    this.folder = folder;
    this.number = number;
    this.settings = settings;
    this.access = access;
    this.isLasting = isLasting;
    this.address = address(number);
  }

  /** Until it answers CQL. A first start on a busy machine may end before; what it wrote is nothing. */
  async startNew() {
    for (let left = NEW_STARTS; ; left--) {
      try {
        return await this.start();
      } catch (error) {
        if (left === 1) throw error;
        await rm(this.folder, { recursive: true, force: true });
      }
    }
  }

  /** Until it answers CQL. */
  async start() {
    await mkdir(this.folder, { recursive: true });
    await writeFile(
      join(this.folder, "cassandra.yaml"),
      yaml(this.number, this.folder, this.settings),
    );
    await writeFile(join(this.folder, "logback.xml"), LOGBACK);
    const log = await open(join(this.folder, "log"), "a");
    this.#child = spawn("java", flags(this.lib, this.folder, this.number, this.isLasting), {
      cwd: this.folder,
      stdio: ["ignore", log.fd, log.fd],
    });
    await log.close();
    this.#exited = new Promise((resolve) => {
      this.#child.on("error", resolve);
      this.#child.on("exit", resolve);
    });
    const deadline = Date.now() + START_MS;
    while (!(await this.#answers())) {
      if (this.#child.exitCode !== null || this.#child.pid === undefined || Date.now() > deadline) {
        const tail = (await readFile(join(this.folder, "log"), "utf8")).slice(-4_000);
        await this.kill();
        throw new Error(`Cassandra did not start on ${this.address}:\n${tail}`);
      }
      await pause(POLL_MS);
    }
  }

  async #answers() {
    const client = new cassandra.Client({
      contactPoints: [this.address],
      localDataCenter: DATACENTER,
      socketOptions: { connectTimeout: 2_000, readTimeout: 2_000 },
      ...this.access,
    });
    try {
      await client.execute("SELECT release_version FROM system.local");
      return true;
    } catch {
      return false;
    } finally {
      await client.shutdown();
    }
  }

  async kill(signal = "SIGKILL") {
    this.#child?.kill(signal);
    const late = setTimeout(() => this.#child?.kill("SIGKILL"), STOP_MS);
    await this.#exited;
    clearTimeout(late);
  }
}

/**
 * `close()` ends the nodes. `settings` are of cassandra.yaml, and `access` what a client of such nodes has
 * to be given. `isLasting`: for minutes of work, not for a few tests.
 * @param {number=} count
 * @param {{
 *   into?: string,
 *   isLasting?: boolean,
 *   settings?: Record<string, string>,
 *   access?: Partial<import("cassandra-driver").ClientOptions>,
 * }} options
 */
export async function startCassandra(
  count = 1,
  { into, isLasting = false, settings = {}, access = {} } = {},
) {
  const lib = await getCassandra();
  const folder = into ?? (await mkdtemp(join(tmpdir(), "dovetail-cassandra-")));
  const nodes = Array.from(
    { length: count },
    (_, i) => new Node(lib, join(folder, `${i + 1}`), i + 1, { settings, access, isLasting }),
  );
  const end = () => {
    for (const node of nodes) void node.kill();
  };
  const close = async () => {
    process.off("exit", end);
    await Promise.all(nodes.map((node) => node.kill()));
    if (!into) await rm(folder, { recursive: true, force: true });
  };
  process.on("exit", end);
  try {
    // One after the other: a node that joins takes part of the ring from those that are there.
    for (const node of nodes) await node.startNew();
  } catch (error) {
    await close();
    throw error;
  }
  return { nodes, contactPoints: nodes.map((node) => node.address), datacenter: DATACENTER, close };
}

const WARM_UP_WRITES = 600;
const WARM_UP_AT_ONCE = 6;

/**
 * Java is fast only at what it has done before: the first conditional writes of nodes that have just begun
 * take seconds, more than clients wait.
 * @param {{ contactPoints: string[], datacenter: string }} cluster
 */
export async function warmUp({ contactPoints, datacenter }) {
  const client = new cassandra.Client({ contactPoints, localDataCenter: datacenter });
  const replication = `{'class': 'NetworkTopologyStrategy', '${datacenter}': ${contactPoints.length}}`;
  try {
    await client.execute(`CREATE KEYSPACE IF NOT EXISTS warm WITH replication = ${replication}`);
    await client.execute("CREATE TABLE IF NOT EXISTS warm.row (id int PRIMARY KEY, at int)");
    const insert = "INSERT INTO warm.row (id, at) VALUES (?, 0) IF NOT EXISTS";
    const select = "SELECT at FROM warm.row WHERE id = ?";
    const serial = { prepare: true, consistency: cassandra.types.consistencies.localSerial };
    const ids = Array.from({ length: WARM_UP_WRITES }, (_, id) => id).values();
    const writer = async () => {
      for (const id of ids) {
        await client.execute(insert, [id], { prepare: true }).catch(() => undefined);
        await client.execute(select, [id], serial).catch(() => undefined);
      }
    };
    await Promise.all(Array.from({ length: WARM_UP_AT_ONCE }, writer));
  } finally {
    await client.shutdown();
  }
}
