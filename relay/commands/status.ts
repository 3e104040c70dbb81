import { askRelay } from "../admin/client.js";
import type { AdminResult } from "../admin/contract.js";
import { dataFolder, program, runProgram } from "./program.js";
import { duration, table } from "./table.js";

type Status = AdminResult<"status">;
type Node = Status["nodes"][number];

/** Shards in the list of the hottest of all nodes. */
const HOTTEST = 10;

/** Says how the relay on a folder of data is, and its other nodes. */
export function status(args: readonly string[]): Promise<number> {
  const command = program("status", "Says how a running relay is, and all of its nodes.")
    .option("--json", "everything, as one line of JSON")
    .action(async (options: { data?: string; config?: string; json?: boolean }) => {
      const answer = await askRelay(dataFolder(options), "status", {});
      process.stdout.write(options.json ? `${JSON.stringify(answer)}\n` : told(answer));
    });
  return runProgram(command, args);
}

function told({ relay, ready, users, nodes }: Status): string {
  const there = nodes.filter(({ goneAt }) => goneAt === null);
  const connections = there.reduce((sum, { summary }) => sum + (summary?.connections ?? 0), 0);
  const first = `Relay ${relay}, ${ready ? "ready" : "not ready"}: nodes ${there.length}, connections ${connections}, registered users ${users ?? "not known"}.`;
  return `${first}\n\n${nodeTable(nodes)}${heatTable(there)}`;
}

const nameOf = ({ node, summary }: Node): string => summary?.label || node.slice(0, 8) || "here";

function stateOf({ goneAt, summary }: Node): string {
  const draining = summary?.draining ?? false;
  if (goneAt === null) return draining ? "draining" : summary ? "there" : "not heard of yet";
  const ago = `${duration(Math.max(0, Date.now() - goneAt))} ago`;
  return draining ? `stopped ${ago}` : `gone ${ago}`;
}

function nodeTable(nodes: readonly Node[]): string {
  const names = new Map(nodes.map((node) => [node.node, nameOf(node)]));
  const rows = nodes.map((node) => {
    const { summary, here, goneAt, shards } = node;
    const name = `${nameOf(node)}${here ? " (asked)" : ""}`;
    if (!summary || goneAt !== null) return [name, stateOf(node), "", shards, "", "", "", "", ""];
    const { lag, backlogEntries, backlogBytes, bufferedBytes } = summary;
    return [
      name,
      stateOf(node),
      duration(Date.now() - summary.startedAt),
      shards,
      summary.connections,
      lag ? `${lag.ms} ms to ${names.get(lag.node) ?? lag.node.slice(0, 8)}` : "",
      backlogEntries,
      kibibytes(backlogBytes),
      kibibytes(bufferedBytes),
    ];
  });
  const head = [
    "NODE",
    "STATE",
    "UP",
    "SHARDS",
    "CONNECTIONS",
    "LAG",
    "WRITES WAITING",
    "KIB",
    "UNSENT KIB",
  ];
  return table(head, rows);
}

const kibibytes = (bytes: number): number => Math.ceil(bytes / 1_024);

function heatTable(nodes: readonly Node[]): string {
  const hot = nodes
    .flatMap((node) => (node.summary?.hot ?? []).map((heat) => ({ ...heat, name: nameOf(node) })))
    .sort((a, b) => b.requests + b.appends - a.requests - a.appends)
    .slice(0, HOTTEST);
  if (hot.length === 0) return "";
  const rows = hot.map(({ shard, name, requests, appends }) => [shard, name, requests, appends]);
  const head = ["SHARD", "AT", "REQUESTS", "ENTRIES"];
  return `\nShards with the most to do in the last minute:\n${table(head, rows)}`;
}
