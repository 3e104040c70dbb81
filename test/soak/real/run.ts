/** A run: people gather, talk, suffer; then all is healed, and everything has to be as promised. */
import { createWriteStream, mkdirSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Scene } from "../../real/processes.js";
import { Prng } from "../../sim/virtual-time.js";
import { afflictions } from "./afflictions.js";
import { Cast } from "./cast.js";
import { faults, presentLogs, relayLogs, remains, unrest } from "./checker.js";
import { Services } from "./cluster.js";
import { Fleet } from "./fleet.js";
import { Nemesis } from "./nemesis.js";
import { operate } from "./operate.js";
import { pause } from "./pause.js";
import { Traffic } from "./traffic.js";
import { Watch } from "./watch.js";

/** The longest that healing may take: back-offs of half a minute, one after the other. */
const PATIENCE_MS = 3 * 60_000;
/** Milliseconds between what one hand does and its next. */
const LONGEST_PAUSE_MS = 350;
/**
 * Three database nodes on the machine of everybody else take some hundred messages a second at the best;
 * what is told directly beyond that would wait for its place for as long again as everybody talked.
 */
const CLUSTER_PATIENCE_MS = 8 * 60_000;
/** Squared, because the parts themselves need most of two cores: a database node begins anew every minute. */
const CLUSTER_LONGEST_PAUSE_MS = Math.max(1_500, 24_000 / availableParallelism() ** 2);
const LOOK_MS = 500;
const FLEET_EVERY_MS = 4_000;
/** From which length on devices come and go in a run, and admins do. */
const LONG_SECONDS = 60;
/** Longer than the timers that people set. */
const LATER_MS = 3 * 86_400_000;

export interface RunOptions {
  readonly seed: number;
  /** Of talk and faults; gathering and healing come on top. */
  readonly seconds: number;
  /** Milliseconds from one fault to the next, on an average. */
  readonly everyMs: number;
  /** Processes of the relay (default: 1). */
  readonly workers?: number;
  /** Whether it has three nodes, on Cassandra and NATS of three each. */
  readonly cluster?: boolean;
  /** Kinds of faults; all that this machine can make where absent. */
  readonly only?: readonly string[];
  /** Ends talk and faults early; everything is healed and asked nevertheless. */
  readonly signal?: AbortSignal;
  readonly say?: (line: string) => void;
}

export interface Outcome {
  readonly operations: number;
  readonly unanswered: number;
  readonly events: number;
  /** In the relay's logs at the end. */
  readonly messages: number;
  /** Arrivals of messages at devices of others, and how many of them did without the relay. */
  readonly received: number;
  readonly direct: number;
  readonly faults: number;
  /** Of devices, in WebRTC's library. */
  readonly crashes: number;
  /** Devices and members that came and went. */
  readonly moves: ReadonlyMap<string, number>;
  /** Operations by what was asked for. */
  readonly answered: ReadonlyMap<string, number>;
  /** Messages whose time was up at the end. */
  readonly disappeared: number;
  readonly struck: ReadonlyMap<string, number>;
  /** Kinds of faults that this machine cannot make, and why. */
  readonly skipped: readonly { readonly kind: string; readonly missing: string | null }[];
  readonly violations: readonly string[];
  /** Where logs and databases are kept; null where all went well. */
  readonly folder: string | null;
}

export async function run(options: RunOptions): Promise<Outcome> {
  const {
    seed,
    seconds,
    everyMs,
    only,
    signal,
    workers = 1,
    cluster = false,
    say = () => undefined,
  } = options;
  const random = new Prng(seed);
  const folder = join(tmpdir(), `dovetail-nemesis-${seed}-${process.pid}`);
  mkdirSync(folder, { recursive: true });
  const journal = createWriteStream(join(folder, "run.log"));
  const note = (line: string): void => {
    journal.write(`${new Date().toISOString()} ${line}\n`);
  };
  const watch: Watch = new Watch(note, (id) =>
    cast.talks.some((talk) => talk.id === id && talk.isGroup),
  );
  const scene = new Scene({ detached: true });
  const long = seconds >= LONG_SECONDS;
  const services = cluster ? await Services.start(folder, long) : null;
  const cast: Cast = new Cast(scene, folder, {
    ...{ workers, services, note },
    violate: (what) => watch.violate(what),
  });
  const traffic = new Traffic(cast, watch, {
    ...{ admins: long, operate },
    longestPauseMs: cluster ? CLUSTER_LONGEST_PAUSE_MS : LONGEST_PAUSE_MS,
  });
  const fleet = new Fleet(cast, traffic, { everyMs: FLEET_EVERY_MS, devices: long, note });
  let nemesis: Nemesis | null = null;
  let judged = { messages: 0, disappeared: 0 };
  try {
    await cast.gather(random, (device, event, life) => watch.hear(device, event, life));
    const kinds = afflictions(cast, traffic).filter(({ kind }) => only?.includes(kind) ?? true);
    if (kinds.length === 0) throw new Error(`there are no faults called ${only}`);
    nemesis = new Nemesis(kinds, everyMs, { note, violate: (what) => watch.violate(what) });
    say(`seed ${seed}: ${cast.devices.length} devices, ${seconds} seconds`);
    traffic.begin(new Prng(random.between(1, 2 ** 31)));
    nemesis.begin(new Prng(random.between(1, 2 ** 31)));
    fleet.begin(new Prng(random.between(1, 2 ** 31)));
    await pause(seconds * 1_000, signal);
    const faulty = () => [...(nemesis?.pending ?? []), ...traffic.pending];
    await within(nemesis.end(), "the faults", faulty);
    await within(fleet.end(), "coming and going", () => traffic.pending);
    await within(traffic.end(), "the talk", () => traffic.pending);
    note("healed");
    say(`${traffic.operations} operations and ${nemesis.faults} faults; waiting for quiet`);
    judged = await judge(cast, watch);
  } catch (error) {
    watch.violate(`the run broke off: ${error instanceof Error ? error.stack : error}`);
  }
  await Promise.all([cast.relay, ...cast.all].map((machine) => machine.kill()));
  await scene.end();
  const failed = watch.violations.length > 0;
  await new Promise((done) => journal.end(done));
  if (failed) cast.keep();
  await cast.close();
  await services?.close();
  if (!failed) rmSync(folder, { recursive: true, force: true });
  return {
    operations: traffic.operations,
    unanswered: traffic.unanswered,
    events: watch.events,
    ...judged,
    moves: fleet.done,
    answered: traffic.answered,
    received: watch.received,
    direct: watch.direct,
    faults: nemesis?.faults ?? 0,
    crashes: cast.crashes,
    struck: nemesis?.struck ?? new Map(),
    skipped: nemesis?.skipped ?? [],
    violations: watch.violations,
    folder: failed ? folder : null,
  };
}

/** @throws Error where it does not end, with what it waits for. */
async function within(ending: Promise<void>, what: string, pending: () => readonly string[]) {
  const over = new AbortController();
  const late = sleep(PATIENCE_MS, true, { signal: over.signal }).catch(() => false);
  const isLate = await Promise.race([ending.then(() => false), late]);
  over.abort();
  if (isLate) throw new Error(`${what} did not end, waiting for: ${pending().join(", ")}`);
}

interface Judgement {
  readonly messages: number;
  readonly disappeared: number;
}

/** Waits until all is as promised, or for as long as it may take; what is wrong then is told. */
async function judge(cast: Cast, watch: Watch): Promise<Judgement> {
  const online = { directEnabled: true };
  await Promise.all(
    cast.devices.map(async ({ running }) => {
      await running?.call("settings.set", online);
      await running?.call("connection.retry", {});
    }),
  );
  await rest(cast, watch);
  await cast.relay.stop();
  for (const each of await faults(cast, await relayLogs(cast))) watch.violate(each);
  // Nobody lost the other's time: all come back together, days later.
  for (const machine of [cast.relay, ...cast.all]) machine.setClock(LATER_MS);
  await cast.relay.start();
  await rest(cast, watch);
  await cast.relay.stop();
  const logs = await relayLogs(cast);
  for (const each of await faults(cast, logs)) watch.violate(`days later: ${each}`);
  await Promise.all(cast.devices.map((device) => device.kill()));
  for (const each of await remains(cast, logs)) watch.violate(each);
  const all = [...logs.values()].flat();
  return { messages: all.length, disappeared: all.filter(({ ttl }) => ttl > 0).length };
}

async function rest(cast: Cast, watch: Watch): Promise<void> {
  const end = Date.now() + (cast.services ? CLUSTER_PATIENCE_MS : PATIENCE_MS);
  for (;;) {
    const since = performance.now();
    const restless = await unrest(cast);
    // A copy of what is being written may be none.
    const found = restless
      ? [restless]
      : await presentLogs(cast).then(
          (logs) => faults(cast, logs),
          (error: unknown) => [`the relay's database is not at rest: ${error}`],
        );
    if (found.length === 0) return;
    if (Date.now() > end) return watch.violate(`it did not come to rest: ${found[0]}`);
    // Looking is work for the same cores that are to come to rest.
    await sleep(Math.max(LOOK_MS, performance.now() - since));
  }
}
