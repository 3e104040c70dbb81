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
import { measureLatency } from "./latency.js";
import { readReady, startProgram, stopProgram } from "./processes.js";
import { report } from "./report.js";

/** One machine plays many people here, so what the relay allows one address must not be what is measured. */
const NO_LIMITS = ["device", "address", "connection", "registration"].flatMap((what) => [
  `--${what}-rate`,
  "1000000",
]);

async function bench(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "dovetail-bench-"));
  const program = startProgram("relay", [
    "--port",
    "0",
    "--data",
    join(folder, "relay"),
    ...NO_LIMITS,
  ]);
  try {
    const relay = await readReady<{ url: string; http: string }>(program);
    const { relayed, direct } = await measureLatency(folder, relay.url);
    const appends = await measureAppends(relay);
    const floors = {
      wsEcho: await measureWsEcho(),
      dataChannel: await measureDataChannel(),
      level: await measureLevel(folder, Math.max(1, Math.round(appends.batch))),
    };
    process.stdout.write(report({ relayed, direct, appends }, floors));
  } finally {
    await stopProgram(program);
    await rm(folder, { recursive: true, force: true });
  }
}

if (process.argv[2] === "echo") {
  serveEcho();
} else {
  await bench();
  // The WebRTC library keeps threads of its own that would hold the process.
  process.exit();
}
