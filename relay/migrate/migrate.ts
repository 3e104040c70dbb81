/** From the embedded store to Cassandra, most of it while the relay runs. */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { DovetailError } from "../../shared/errors.js";
import { openLevel } from "../../shared/node/level-key-value.js";
import type { Log } from "../../shared/runtime.js";
import { askBackup, askRelay } from "../admin/client.js";
import { clearMark, isMarked, setMark } from "../backup/marks.js";
import { fill } from "../backup/write.js";
import type { CassandraOptions } from "../store/cassandra/connect.js";
import { Filling } from "../store/cassandra/filling.js";
import { type Copied, copyAll } from "./pass.js";
import { openSource, type Source } from "./source.js";

/** Milliseconds that a relay may take beyond the time in which it is drained. */
const ENDING_MS = 60_000;
const LOOK_MS = 200;

/** In the data folder, and of use to nobody once all is moved. */
const workIn = (data: string): string => join(data, "migration");

export interface MigrateOptions {
  readonly data: string;
  readonly cassandra: CassandraOptions;
  /** Over which the relay's clients are sent away. */
  readonly drainMs: number;
  /** What happens, for whoever waits. */
  readonly tell: (what: string) => void;
}

/**
 * Copies everything while the relay runs; then ends the relay, copies what came meanwhile, and marks the
 * data as moved. What was broken off goes on where it was when it is called again.
 * @throws DovetailError; until the end the data are good, and Cassandra refuses to be used.
 */
export async function migrate(options: MigrateOptions, log: Log): Promise<Copied> {
  const { data, tell } = options;
  const work = workIn(data);
  const copy = join(work, "copy");
  const running = await askBackup(data).catch(nullIfNoRelay);
  const name = running ? null : await nameOf(options, log);
  await mkdir(work, { recursive: true });
  // One migration at a time: the database of what is done has one opener.
  const done = await openLevel(join(work, "done"));
  try {
    const pass = async (source: Source): Promise<Copied> => {
      const filling = await Filling.open(options.cassandra, source.name, done);
      try {
        return await copyAll(source, filling, done);
      } finally {
        await filling.close();
      }
    };
    if (running) {
      tell("Copying, while the relay runs.");
      await rm(copy, { recursive: true, force: true });
      await fill(running, copy);
      const source = await openSource(copy, log);
      const first = await pass(source).finally(() => source.close());
      await rm(copy, { recursive: true, force: true });
      tell(`${first.logs} logs with ${first.entries} entries are in Cassandra and compared.`);
    } else if (name !== null) {
      // What is wrong with the keyspace is seen before anything is changed here.
      await (await Filling.open(options.cassandra, name, done)).close();
    }
    // From here on no relay starts on them.
    if (!(await isMarked(data, "moved-to-cassandra"))) await setMark(data, "moving-to-cassandra");
    if (running) {
      tell("Ending the relay.");
      await askRelay(data, "drain", { withinMs: options.drainMs }).catch(nullIfNoRelay);
    }
    const source = await openEnded(options, log);
    try {
      tell("Copying what came meanwhile.");
      const last = await pass(source);
      await setMark(data, "moved-to-cassandra");
      await clearMark(data, "moving-to-cassandra");
      // Last: what is broken off before can be called again.
      await finish(options.cassandra, source.name, done);
      return last;
    } finally {
      await source.close();
    }
  } finally {
    await done.close();
  }
}

/** Lets the relay start on its data again. What is in Cassandra by then is left there, and is of no use. */
export async function abandon(data: string): Promise<void> {
  if (await isMarked(data, "moved-to-cassandra")) {
    throw new DovetailError("not_allowed", "The data were moved: Cassandra has what came since.");
  }
  await clearMark(data, "moving-to-cassandra");
  await rm(workIn(data), { recursive: true, force: true });
}

async function finish(
  cassandra: CassandraOptions,
  name: string,
  done: Parameters<typeof Filling.open>[2],
): Promise<void> {
  const filling = await Filling.open(cassandra, name, done);
  await filling.end().finally(() => filling.close());
}

/** @throws DovetailError `not_found` where no data are. */
async function nameOf(options: MigrateOptions, log: Log): Promise<string> {
  const source = await openEnded(options, log);
  await source.close();
  return source.name;
}

/** The relay has them open until it has ended. */
async function openEnded({ data, drainMs }: MigrateOptions, log: Log): Promise<Source> {
  const until = performance.now() + drainMs + ENDING_MS;
  for (;;) {
    try {
      return await openSource(data, log);
    } catch (error) {
      const inUse = DovetailError.from(error).code === "profile_in_use";
      if (!inUse || performance.now() > until) throw error;
      await sleep(LOOK_MS);
    }
  }
}

function nullIfNoRelay(error: unknown): null {
  if (DovetailError.from(error).code === "relay_unreachable") return null;
  throw error;
}
