import { X509Certificate } from "node:crypto";
import { statfs } from "node:fs/promises";
import {
  AggregatorRegistry,
  Counter,
  collectDefaultMetrics,
  Gauge,
  Histogram,
  type MetricObjectWithValues,
  type MetricValue,
  Registry,
} from "prom-client";
import { type ErrorCode, errorCodes } from "../../shared/errors.js";
import { HEAT_MS } from "../core/bounds.js";
import type { Counter as CounterName, Metrics } from "../core/ports.js";

const counters: Record<CounterName, [name: string, help: string]> = {
  framesIn: ["frames_in_total", "Frames received from clients."],
  framesOut: ["frames_out_total", "Frames sent to clients."],
  appendRequests: ["append_requests_total", "Append requests received."],
  appended: ["appended_total", "Entries appended to logs."],
  appendedDirect: ["appended_direct_total", "Entries appended that had travelled directly before."],
  handedIn: ["handed_in_total", "Entries appended that another device handed in for their author."],
  duplicates: ["duplicates_total", "Entries handed in that the log had already."],
  conflicts: ["append_conflicts_total", "Appends planned anew because the log had moved on."],
  fanOut: ["fan_out_frames_total", "Frames pushed to devices because somebody wrote."],
  inboxNotes: [
    "inbox_notes_total",
    "Notes of changes, one for a user or for all of a large group.",
  ],
  membershipChanges: ["membership_changes_total", "Changes of groups' members, with new groups."],
  expired: ["expired_total", "Payloads deleted because their time was up."],
  trimmed: ["trimmed_total", "Entries no longer kept because of the retention chosen."],
  deferred: ["deferred_total", "Connections told to come when it is their turn."],
  full: ["full_total", "Connections refused because there are as many as there may be."],
  rateLimited: ["rate_limited_total", "Requests and connections refused by a rate limit."],
  droppedSlow: ["dropped_slow_total", "Connections dropped because the client was too slow."],
};

/** Entries in one group commit. */
const COMMIT_BUCKETS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096];
/** Seconds: a sync takes some hundred microseconds on an SSD and tens of milliseconds on a disk. */
const DURATION_BUCKETS = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2, 5];
/** Conversations that changed for somebody who was away. */
const INBOX_BUCKETS = [0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 5_000];

/** What is said of the whole relay, also where one worker says it. */
const OF_ALL: ReadonlySet<string> = new Set([
  "dovetail_users",
  "dovetail_workers",
  "dovetail_nodes",
]);

type Measured = MetricObjectWithValues<MetricValue<string>>;

/** Of one of several workers, for {@link textOfAll}. */
export async function measuredBy(registry: Registry, worker: number): Promise<Measured[]> {
  const all = (await registry.getMetricsAsJSON()) as Measured[];
  return all.map((metric) => {
    if (OF_ALL.has(metric.name)) return metric;
    const values = metric.values.map((value) => ({
      ...value,
      labels: { ...value.labels, worker: `${worker}` },
    }));
    // Each worker's stands by itself, so there is nothing that would have no meaning as a sum.
    return { ...metric, values, aggregator: "first" as const };
  });
}

/**
 * Prometheus text of several workers. Each counts by itself: in a sum, a worker that was started again
 * or gives no answer would look as if all of them had begun anew.
 */
export function textOfAll(workers: readonly (readonly Measured[])[]): Promise<string> {
  return AggregatorRegistry.aggregate([...workers]).metrics();
}

export function prometheusMetrics(): { metrics: Metrics; registry: Registry } {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const counts = Object.fromEntries(
    Object.entries(counters).map(([key, [name, help]]) => [
      key,
      new Counter({ name: `dovetail_${name}`, help, registers }),
    ]),
  ) as Record<CounterName, Counter>;
  const errors = new Counter({
    name: "dovetail_errors_total",
    help: "Errors told to clients, by code.",
    labelNames: ["code"],
    registers,
  });
  // What rises is seen only where it stood at nothing before.
  for (const code of Object.keys(errorCodes) as ErrorCode[]) errors.inc({ code }, 0);
  const connections = new Gauge({
    name: "dovetail_connections",
    help: "Open connections.",
    registers,
  });
  const users = new Gauge({
    name: "dovetail_users",
    help: "Registered users.",
    registers,
    // All workers count the same ones.
    aggregator: "max",
  });
  new Gauge({
    name: "dovetail_workers",
    help: "Processes of this relay that are there.",
    registers,
  }).set(1);
  new Gauge({
    name: "dovetail_start_time_seconds",
    help: "When the process, or the youngest worker, started, since 1970.",
    registers,
    aggregator: "max",
  }).set(Math.round(performance.timeOrigin / 1_000));
  const writable = new Gauge({
    name: "dovetail_store_writable",
    help: "1 while what people write can be kept, 0 while the store fails.",
    registers,
    aggregator: "min",
  });
  writable.set(1);
  const commitEntries = new Histogram({
    name: "dovetail_commit_entries",
    help: "Entries in one group commit.",
    buckets: COMMIT_BUCKETS,
    registers,
  });
  const commitSeconds = new Histogram({
    name: "dovetail_commit_seconds",
    help: "How long one group commit took until it was durable.",
    buckets: DURATION_BUCKETS,
    registers,
  });
  const inboxChanges = new Histogram({
    name: "dovetail_inbox_changes",
    help: "Conversations in which something changed for a client while it was away.",
    buckets: INBOX_BUCKETS,
    registers,
  });
  const nodes = new Gauge({
    name: "dovetail_nodes",
    help: "Nodes of the relay that are there, this one among them.",
    registers,
    aggregator: "max",
  });
  nodes.set(1);
  const fanOutLag = new Gauge({
    name: "dovetail_fan_out_lag_seconds",
    help: "How far pushes lag behind to the node to which they take the longest.",
    registers,
    aggregator: "max",
  });
  const shardHeat = new Gauge({
    name: "dovetail_shard_heat",
    help: "Entries appended a second over the last minute, of the shards with the most to do.",
    labelNames: ["shard"],
    registers,
  });
  const backlogEntries = new Gauge({
    name: "dovetail_backlog_entries",
    help: "Requests to write that wait for the store.",
    registers,
  });
  const backlogBytes = new Gauge({
    name: "dovetail_backlog_bytes",
    help: "Bytes that wait for the store, and that clients have not taken yet.",
    labelNames: ["of"],
    registers,
  });
  return {
    registry,
    metrics: {
      count: (counter, by = 1) => counts[counter].inc(by),
      failed: (code) => errors.inc({ code }),
      connections: (now) => connections.set(now),
      users: (now) => users.set(now),
      committed(entries, milliseconds) {
        commitEntries.observe(entries);
        commitSeconds.observe(milliseconds / 1_000);
      },
      caughtUp: (changes) => inboxChanges.observe(changes),
      measured(summary, there, canWrite) {
        writable.set(canWrite ? 1 : 0);
        nodes.set(there);
        fanOutLag.set((summary.lag?.ms ?? 0) / 1_000);
        // Those that are not among the hottest any more are not told.
        shardHeat.reset();
        for (const { shard, appends } of summary.hot) {
          shardHeat.set({ shard }, appends / (HEAT_MS / 1_000));
        }
        backlogEntries.set(summary.backlogEntries);
        backlogBytes.set({ of: "writes" }, summary.backlogBytes);
        backlogBytes.set({ of: "clients" }, summary.bufferedBytes);
      },
    },
  };
}

/** Of the file system that the data are on, which all workers share. */
export function measureDisk(registry: Registry, folder: string): void {
  const registers = [registry];
  const gauge = (name: string, help: string, blocks: "bavail" | "blocks"): void => {
    new Gauge({
      name,
      help,
      registers,
      aggregator: "min",
      async collect() {
        const found = await statfs(folder).catch(() => null);
        if (found) this.set(found[blocks] * found.bsize);
        else this.reset();
      },
    });
  };
  gauge("dovetail_disk_free_bytes", "Bytes left on the disk of the data.", "bavail");
  gauge("dovetail_disk_size_bytes", "Bytes that the disk of the data has.", "blocks");
}

/** Gives what takes the certificate that clients are shown, in PEM; call it again with a renewed one. */
export function measureCertificate(registry: Registry): (pem: Buffer) => void {
  const ends = new Gauge({
    name: "dovetail_certificate_end_seconds",
    help: "When the certificate that clients are shown ends, since 1970.",
    registers: [registry],
    aggregator: "min",
  });
  return (pem) => ends.set(Date.parse(new X509Certificate(pem).validTo) / 1_000);
}
