/** The same on Cassandra: a relay of one node and of three, all of it on this machine. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hasCassandra, startCassandra, warmUp } from "../test/parts/cassandra.mjs";
import { findNats, startNats } from "../test/parts/nats.mjs";
import { type Program, processesOf, readReady, startProgram, stopProgram } from "./processes.js";

const COPIES = 3;

/** Why there can be no cluster here; null where there can. */
export function whyNoCluster(): string | null {
  if (!hasCassandra()) return "Cassandra is not in the cache: `npm run test:cluster` gets it";
  return findNats() ? null : "nats-server is not installed";
}

/** Calls `measure` with addresses and processes of as many nodes as in each of `sizes`, one after the other. */
export async function withNodes<T>(
  sizes: readonly number[],
  args: readonly string[],
  measure: (urls: readonly string[], processes: readonly number[]) => Promise<T>,
): Promise<T[]> {
  const folder = await mkdtemp(join(tmpdir(), "dovetail-bench-"));
  const cassandra = await startCassandra(COPIES, { isLasting: true });
  await warmUp(cassandra);
  const nats = await startNats();
  const start = (node: number, keyspace: string) =>
    startProgram("relay", [
      ...["--port", "0", "--data", join(folder, `${node}`), "--nats", nats.url],
      ...["--store", "cassandra", "--cassandra-contact-points", cassandra.contactPoints.join(",")],
      ...["--cassandra-local-dc", cassandra.datacenter, "--cassandra-keyspace", keyspace, ...args],
    ]);
  const programs: Program[] = [];
  try {
    const found: T[] = [];
    for (const size of sizes) {
      const urls: string[] = [];
      // One after the other: the first makes the tables.
      for (let node = 0; node < size; node++) {
        const program = start(node, `nodes_${size}`);
        programs.push(program);
        urls.push((await readReady<{ url: string }>(program)).url);
      }
      found.push(await measure(urls, programs.flatMap(processesOf)));
      await Promise.all(programs.splice(0).map(stopProgram));
    }
    return found;
  } finally {
    await Promise.all(programs.map(stopProgram));
    await nats.close();
    await cassandra.close();
    await rm(folder, { recursive: true, force: true });
  }
}
