/**
 * `npm run bench`: latency and throughput of the real processes, and beside each the bare floor,
 * measured in the same run because machines differ and a shared one differs from minute to minute.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { measureAppends } from "./appends.js";
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
import { killProgram, readReady, startProgram, stopProgram } from "./processes.js";
import { report } from "./report.js";
import { measureTransfer, reportTransfer } from "./transfer.js";

/** One machine plays many people here, so what the relay allows one address must not be what is measured. */
const NO_LIMITS = ["device", "address", "connection", "registration"].flatMap((what) => [
  `--${what}-rate`,
  "1000000",
]);

/** A process may hold 20,000 files on many a machine, and needs some of them for its database. */
const CONNECTIONS = 15_000;
const MOST_CONNECTIONS = 1_000_000;

async function withRelay(
  measure: (folder: string, relay: RelayUnderTest) => Promise<string>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "dovetail-bench-"));
  const start = (port: string) =>
    startProgram("relay", [
      ...["--port", port, "--data", join(folder, "relay"), "--workers", "1"],
      ...["--max-connections", String(MOST_CONNECTIONS)],
      ...NO_LIMITS,
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
    };
    process.stdout.write(await measure(folder, relay));
  } finally {
    await stopProgram(program);
    await rm(folder, { recursive: true, force: true });
  }
}

async function everyday(folder: string, relay: RelayUnderTest): Promise<string> {
  const { relayed, direct } = await measureLatency(folder, relay.url);
  const appends = await measureAppends(relay);
  const floors = {
    wsEcho: await measureWsEcho(),
    dataChannel: await measureDataChannel(),
    level: await measureLevel(folder, Math.max(1, Math.round(appends.batch))),
  };
  return report({ relayed, direct, appends }, floors);
}

async function groups(folder: string, relay: RelayUnderTest): Promise<string> {
  const mesh = await measureMesh(folder, relay);
  return reportGroups(mesh, await measureLarge(folder, relay));
}

async function transfer(folder: string, relay: RelayUnderTest): Promise<string> {
  return reportTransfer(await measureTransfer(folder, relay));
}

async function connections(_folder: string, relay: RelayUnderTest): Promise<string> {
  return reportConnections(await measureConnections(relay, Number(rest[0] ?? CONNECTIONS)));
}

/** `npm run bench -- groups`; without a name, what is between two people. */
const benches: Record<string, typeof everyday> = { everyday, groups, transfer, connections };

const [name = "everyday", ...rest] = process.argv.slice(2);
const chosen = benches[name];
if (name === "echo") {
  serveEcho();
} else if (name === "crowd") {
  const [url = "", prefix = "", count = "0"] = rest;
  await serveCrowd(url, prefix, Number(count));
  process.exit();
} else if (!chosen) {
  process.stderr.write(`There is no bench ${name}: ${Object.keys(benches).join(", ")}\n`);
  process.exitCode = 2;
} else {
  await withRelay(chosen);
  // The WebRTC library keeps threads of its own that would hold the process.
  process.exit();
}
