/**
 * `npm run bench`: latency and throughput of the real processes, and beside each the bare floor,
 * measured in the same run because machines differ and a shared one differs from minute to minute.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { measureAppends } from "./appends.js";
import { serveEcho } from "./echo-server.js";
import { measureDataChannel, measureLevel, measureWsEcho } from "./floors.js";
import { measureLarge, measureMesh, reportGroups } from "./groups.js";
import { measureLatency } from "./latency.js";
import { readReady, startProgram, stopProgram } from "./processes.js";
import { report } from "./report.js";
import { measureTransfer, reportTransfer } from "./transfer.js";

/** One machine plays many people here, so what the relay allows one address must not be what is measured. */
const NO_LIMITS = ["device", "address", "connection", "registration"].flatMap((what) => [
  `--${what}-rate`,
  "1000000",
]);

type Relay = { readonly url: string; readonly http: string };

async function withRelay(
  measure: (folder: string, relay: Relay) => Promise<string>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "dovetail-bench-"));
  const program = startProgram("relay", [
    "--port",
    "0",
    "--data",
    join(folder, "relay"),
    ...NO_LIMITS,
  ]);
  try {
    process.stdout.write(await measure(folder, await readReady<Relay>(program)));
  } finally {
    await stopProgram(program);
    await rm(folder, { recursive: true, force: true });
  }
}

async function everyday(folder: string, relay: Relay): Promise<string> {
  const { relayed, direct } = await measureLatency(folder, relay.url);
  const appends = await measureAppends(relay);
  const floors = {
    wsEcho: await measureWsEcho(),
    dataChannel: await measureDataChannel(),
    level: await measureLevel(folder, Math.max(1, Math.round(appends.batch))),
  };
  return report({ relayed, direct, appends }, floors);
}

async function groups(folder: string, relay: Relay): Promise<string> {
  const mesh = await measureMesh(folder, relay);
  return reportGroups(mesh, await measureLarge(folder, relay));
}

async function transfer(folder: string, relay: Relay): Promise<string> {
  return reportTransfer(await measureTransfer(folder, relay));
}

/** `npm run bench -- groups`; without a name, what is between two people. */
const benches: Record<string, typeof everyday> = { everyday, groups, transfer };

const [name = "everyday"] = process.argv.slice(2);
const chosen = benches[name];
if (name === "echo") {
  serveEcho();
} else if (!chosen) {
  process.stderr.write(`There is no bench ${name}: ${Object.keys(benches).join(", ")}\n`);
  process.exitCode = 2;
} else {
  await withRelay(chosen);
  // The WebRTC library keeps threads of its own that would hold the process.
  process.exit();
}
