/**
 * How many messages a second the relay makes durable and delivers, by how it is run. Each goes from one
 * connection to another in a request and a push of its own, as people write. Who writes and who is
 * written to live in processes of their own; a machine's cores are shared between them and the relay.
 */
import { availableParallelism } from "node:os";
import { createInterface } from "node:readline";
import { PAYLOAD_BYTES } from "./appends.js";
import { type Program, processorSeconds, startProgram, stopProgram } from "./processes.js";
import { RelayClient } from "./relay-client.js";

const PROCESSES = 3;
const PAIRS_EACH = 60;
/** Messages of one pair that wait for the relay's answer. */
const PIPELINE = 4;
/** Until what the relay runs most is compiled: before, its processor time is mostly that. */
const WARM_UP_MS = 6_000;
const MEASURE_MS = 8_000;
const DRAIN_MS = 5_000;

interface Counted {
  readonly acknowledged: number;
  readonly delivered: number;
}

async function pair(url: string, name: string): Promise<[RelayClient, RelayClient]> {
  const [from, to] = [new RelayClient(url), new RelayClient(url)];
  await to.register(`${name}_to`);
  await from.register(`${name}_from`);
  await from.openWith(`${name}_to`);
  return [from, to];
}

/** A process full of pairs: waits for a line, writes for a while, and says how many went through. */
export async function serveWriters(urls: readonly string[], prefix: string): Promise<void> {
  const pairs: [RelayClient, RelayClient][] = [];
  for (let i = 0; i < PAIRS_EACH; i++) {
    pairs.push(await pair(urls[i % urls.length] as string, `${prefix}_${i}`));
  }
  process.stdout.write(`${JSON.stringify({ ready: true })}\n`);
  for await (const _ of createInterface({ input: process.stdin })) break;
  const until = performance.now() + WARM_UP_MS + MEASURE_MS;
  const payload = new Uint8Array(PAYLOAD_BYTES);
  let acknowledged = 0;
  const write = async (client: RelayClient): Promise<void> => {
    while (performance.now() < until) {
      await client.append([payload]);
      acknowledged++;
    }
  };
  const writing = pairs.flatMap(([from]) => Array.from({ length: PIPELINE }, () => write(from)));
  const delivered = () => pairs.reduce((sum, [, to]) => sum + to.received, 0);
  const look = (): Counted => ({ acknowledged, delivered: delivered() });
  await after(WARM_UP_MS);
  const first = look();
  await after(MEASURE_MS);
  const last = look();
  await Promise.all(writing);
  // What is on its way yet: each is delivered, or the number is not worth having.
  for (const end = performance.now() + DRAIN_MS; delivered() < acknowledged; ) {
    if (performance.now() > end) throw new Error(`${acknowledged - delivered()} never came.`);
    await after(50);
  }
  const counted: Counted = {
    acknowledged: last.acknowledged - first.acknowledged,
    delivered: last.delivered - first.delivered,
  };
  process.stdout.write(`${JSON.stringify(counted)}\n`);
}

const after = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** `relay` are the ids of its processes. */
export async function measureThroughput(
  urls: readonly string[],
  relay: readonly number[],
): Promise<Rate> {
  const programs: Program[] = [];
  try {
    for (let i = 0; i < PROCESSES; i++) {
      programs.push(startProgram("bench", ["writers", `w${i}`, ...urls]));
    }
    const lines = programs.map((program) =>
      createInterface({ input: program.stdout })[Symbol.asyncIterator](),
    );
    await Promise.all(lines.map((line) => line.next()));
    for (const program of programs) program.stdin.write("\n");
    const used = () => relay.reduce((sum, pid) => sum + processorSeconds(pid), 0);
    await after(WARM_UP_MS);
    const before = used();
    await after(MEASURE_MS);
    const seconds = used() - before;
    const counted = await Promise.all(
      lines.map(async (line) => JSON.parse((await line.next()).value as string) as Counted),
    );
    const sum = (of: keyof Counted) => counted.reduce((all, each) => all + each[of], 0);
    const messages = Math.min(sum("acknowledged"), sum("delivered"));
    return {
      perSecond: (messages * 1_000) / MEASURE_MS,
      processorMicroseconds: (seconds * 1e6) / messages,
    };
  } finally {
    await Promise.all(programs.map(stopProgram));
  }
}

interface Rate {
  /** Messages that were acknowledged as durable and pushed to who they are for. */
  readonly perSecond: number;
  /** Of all the relay's processes, for one message; NaN where it cannot be read. */
  readonly processorMicroseconds: number;
}

export interface Throughput extends Rate {
  readonly how: string;
}

/** A Markdown table, so that it can be put into docs/performance.md as it is. */
export function reportThroughput(rates: readonly Throughput[]): string {
  const floor = rates[0]?.perSecond ?? 1;
  const rows = [
    ["relay", "messages a second, durable and delivered", "ratio", "relay's processor, each"],
    ["---", "---:", "---:", "---:"],
    ...rates.map(({ how, perSecond, processorMicroseconds }) => [
      how,
      Math.round(perSecond).toLocaleString("en"),
      `${(perSecond / floor).toFixed(2)}×`,
      Number.isNaN(processorMicroseconds) ? "" : `${Math.round(processorMicroseconds)} µs`,
    ]),
  ];
  const cores = `On ${availableParallelism()} cores, which ${PROCESSES} processes full of clients share with the relay.`;
  return `${rows.map((row) => `| ${row.join(" | ")} |`).join("\n")}\n\n${cores}\n`;
}
