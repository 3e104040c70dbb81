/**
 * `npm run bench`: latency and throughput of the real processes, and beside each the bare floor,
 * measured in the same run because machines differ and a shared one differs from minute to minute.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { measureAppends } from "./appends.js";
import { whyNoCluster, withNodes } from "./cluster.js";
import {
  measureConnections,
  type RelayUnderTest,
  reportConnections,
  serveCrowd,
} from "./connections.js";
import { serveEcho } from "./echo-server.js";
import { measureDataChannel, measureLevel, measureWsEcho } from "./floors.js";
import { measureLarge, measureMesh, reportGroups } from "./groups.js";
import { measureLatency } from "./latency.js";
import {
  childrenOf,
  killProgram,
  processesOf,
  readReady,
  startProgram,
  stopProgram,
} from "./processes.js";
import { report } from "./report.js";
import {
  measureThroughput,
  reportThroughput,
  serveWriters,
  type Throughput,
} from "./throughput.js";
import { measureTransfer, reportTransfer } from "./transfer.js";

/** One machine plays many people here, so what the relay allows one address must not be what is measured. */
const NO_LIMITS = ["device", "address", "connection", "registration", "conversation"].flatMap(
  (what) => [`--${what}-rate`, "1000000"],
);

const MOST_CONNECTIONS = 1_000_000;
const LIMITLESS = [
  ...["--max-connections", String(MOST_CONNECTIONS)],
  ...["--address-connections", String(MOST_CONNECTIONS), ...NO_LIMITS],
];

/** A process may hold 20,000 files on many a machine, and needs some of them for its database. */
const CONNECTIONS = 15_000;

async function withRelay<T>(
  args: readonly string[],
  measure: (folder: string, relay: RelayUnderTest) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "dovetail-bench-"));
  const start = (port: string) =>
    startProgram("relay", [
      ...["--port", port, "--data", join(folder, "relay"), ...LIMITLESS, ...args],
    ]);
  let program = start("0");
  try {
    const where = await readReady<{ url: string; http: string }>(program);
    const relay: RelayUnderTest = {
      ...where,
      again: async () => {
        await killProgram(program);
        program = start(new URL(where.http).port);
        await readReady(program);
      },
      workers: () => childrenOf(program),
      processes: () => processesOf(program),
    };
    return await measure(folder, relay);
  } finally {
    await stopProgram(program);
    await rm(folder, { recursive: true, force: true });
  }
}

const ONE = ["--workers", "1"];

const everyday = (): Promise<string> => withRelay(ONE, everydayOf);

async function everydayOf(folder: string, relay: RelayUnderTest): Promise<string> {
  const { relayed, direct } = await measureLatency(folder, relay.url);
  const appends = await measureAppends(relay);
  const floors = {
    wsEcho: await measureWsEcho(),
    dataChannel: await measureDataChannel(),
    level: await measureLevel(folder, Math.max(1, Math.round(appends.batch))),
  };
  return report({ relayed, direct, appends }, floors);
}

const groups = (): Promise<string> =>
  withRelay(ONE, async (folder, relay) => {
    const mesh = await measureMesh(folder, relay);
    return reportGroups(mesh, await measureLarge(folder, relay));
  });

const transfer = (): Promise<string> =>
  withRelay(ONE, async (folder, relay) => reportTransfer(await measureTransfer(folder, relay)));

/** `connections [COUNT [WORKERS]]` */
const connections = (): Promise<string> =>
  withRelay(["--workers", rest[1] ?? "1", "--host", "0.0.0.0"], async (_folder, relay) =>
    reportConnections(await measureConnections(relay, Number(rest[0] ?? CONNECTIONS))),
  );

async function throughput(): Promise<string> {
  const rates: Throughput[] = [];
  for (const workers of [1, 2, 4]) {
    const measure = (_: string, { url, processes }: RelayUnderTest) =>
      measureThroughput([url], processes());
    const rate = await withRelay(["--workers", `${workers}`], measure);
    rates.push({ how: workers === 1 ? "one process" : `${workers} workers`, ...rate });
  }
  return reportThroughput(rates);
}

/** `cluster`: the same with one node and three, each with a third of the clients. */
async function cluster(): Promise<string> {
  const missing = whyNoCluster();
  if (missing) throw new Error(missing);
  const sizes = [1, 3];
  const rates = await withNodes(sizes, LIMITLESS, measureThroughput);
  return reportThroughput(
    rates.map((rate, i) => ({
      how: sizes[i] === 1 ? "one node on Cassandra" : `${sizes[i]} nodes on Cassandra`,
      ...rate,
    })),
  );
}

/** `npm run bench -- groups`; without a name, what is between two people. */
const benches: Record<string, () => Promise<string>> = {
  everyday,
  groups,
  transfer,
  connections,
  throughput,
  cluster,
};

const [name = "everyday", ...rest] = process.argv.slice(2);
const chosen = benches[name];
if (name === "echo") {
  serveEcho();
} else if (name === "crowd") {
  const [url = "", prefix = "", count = "0"] = rest;
  await serveCrowd(url, prefix, Number(count));
  process.exit();
} else if (name === "writers") {
  const [prefix = "", ...urls] = rest;
  await serveWriters(urls, prefix);
  process.exit();
} else if (!chosen) {
  process.stderr.write(`There is no bench ${name}: ${Object.keys(benches).join(", ")}\n`);
  process.exitCode = 2;
} else {
  process.stdout.write(await chosen());
  // The WebRTC library keeps threads of its own that would hold the process.
  process.exit();
}
