import { RelayClient } from "./relay-client.js";

const CONNECTIONS = 32;
/** Requests that each connection keeps under way. */
const PIPELINE = 4;
const ENTRIES_PER_APPEND = 8;
/** A short message in its envelope. */
export const PAYLOAD_BYTES = 200;
const WARM_UP_MS = 1_000;
const MEASURE_MS = 8_000;

export interface AppendRate {
  readonly perSecond: number;
  /** Entries that one write to disk held, on average over the whole of the relay's life. */
  readonly batch: number;
}

/** Average size of a group commit, from the relay's own histogram. */
async function meanBatch(http: string): Promise<number> {
  const metrics = await (await fetch(`${http}/metrics`)).text();
  const value = (name: string): number =>
    Number(new RegExp(`^${name} (\\S+)$`, "m").exec(metrics)?.[1]);
  return value("dovetail_commit_entries_sum") / value("dovetail_commit_entries_count");
}

/** Entries per second that the relay acknowledges as durable, with many connections at work. */
export async function measureAppends(relay: { url: string; http: string }): Promise<AppendRate> {
  const clients = Array.from({ length: CONNECTIONS }, () => new RelayClient(relay.url));
  try {
    for (const [i, client] of clients.entries()) await client.register(`bench_${i}`);
    const payloads = Array.from(
      { length: ENTRIES_PER_APPEND },
      () => new Uint8Array(PAYLOAD_BYTES),
    );
    const from = performance.now() + WARM_UP_MS;
    const until = from + MEASURE_MS;
    let acknowledged = 0;
    const work = async (client: RelayClient): Promise<void> => {
      while (performance.now() < until) {
        await client.append(payloads);
        const now = performance.now();
        if (now >= from && now < until) acknowledged += payloads.length;
      }
    };
    const workers = clients.flatMap((client) =>
      Array.from({ length: PIPELINE }, () => work(client)),
    );
    await Promise.all(workers);
    return { perSecond: (acknowledged * 1000) / MEASURE_MS, batch: await meanBatch(relay.http) };
  } finally {
    for (const client of clients) client.close();
  }
}
