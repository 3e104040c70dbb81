import { setTimeout as sleep } from "node:timers/promises";
import cassandra from "cassandra-driver";
import { DovetailError } from "../../../shared/errors.js";
import { MAX_READ_TRIES, MAX_STATEMENTS } from "./bounds.js";
import {
  type CassandraOptions,
  clientOptions,
  firstHost,
  isOnItsWay,
  makeKeyspace,
  unreachable,
} from "./connect.js";
import { Gate } from "./gate.js";
import { bringUpToDate } from "./schema.js";
import type { Outcome, Row, Statement, Value } from "./statement.js";
import { tries } from "./tries.js";

const { consistencies } = cassandra.types;
/** For which a serial read is tried: writers keep it away for a second each time. */
const CONTENDED_READ_MS = 4_000;
/** Within which all nodes know of what was made at one of them. */
const SPREADING_MS = 30_000;
const SPREADING_LOOK_MS = 250;
/** Statements under way at once where much is written. */
const LOAD_CONCURRENCY = 64;
/** Of one query; pages are smaller. */
const MAX_PAGE_ROWS = 1_000;

const options = (serial: boolean) => ({
  prepare: true,
  consistency: serial ? consistencies.localSerial : consistencies.localQuorum,
  fetchSize: MAX_PAGE_ROWS,
  isIdempotent: true,
});
const conditional = {
  prepare: true,
  consistency: consistencies.localQuorum,
  serialConsistency: consistencies.localSerial,
  // A second try would meet what the first one wrote and be refused.
  isIdempotent: false,
};

/** The statements that the store needs, at the consistency that it needs. */
export class Database {
  readonly #client: cassandra.Client;

  readonly #datacenter: string;
  readonly #gate = new Gate(MAX_STATEMENTS);

  private constructor(client: cassandra.Client, datacenter: string) {
    this.#client = client;
    this.#datacenter = datacenter;
  }

  /** @throws DovetailError `storage_failed`, `profile_newer`, or `invalid_params` for the files of `tls`. */
  static async open(wanted: CassandraOptions): Promise<Database> {
    const common = clientOptions(wanted);
    const until = performance.now() + SPREADING_MS;
    for (;;) {
      try {
        await makeKeyspace(common, wanted);
        return await Database.#of(wanted, { ...common, keyspace: wanted.keyspace });
      } catch (error) {
        if (!isOnItsWay(error) || performance.now() > until) {
          throw error instanceof DovetailError ? error : unreachable(error, wanted);
        }
        await sleep(SPREADING_LOOK_MS);
      }
    }
  }

  static async #of(
    { localDatacenter }: CassandraOptions,
    options: cassandra.ClientOptions,
  ): Promise<Database> {
    const client = new cassandra.Client(options);
    try {
      await client.connect();
      const database = new Database(client, localDatacenter);
      await bringUpToDate(database);
      return database;
    } catch (error) {
      await client.shutdown();
      throw error;
    }
  }

  async hasTable(table: string): Promise<boolean> {
    const query =
      "SELECT table_name FROM system_schema.tables WHERE keyspace_name = ? AND table_name = ?";
    const params = [this.#client.keyspace, table];
    const { rowLength } = await this.#client.execute(query, params, { prepare: true });
    return rowLength > 0;
  }

  async alter(query: string): Promise<void> {
    const host = firstHost(this.#client, this.#datacenter);
    await failing(() => this.#client.execute(query, [], host ? { host } : {}));
  }

  async setting(key: string): Promise<string | null> {
    const row = await this.one("SELECT value FROM meta WHERE key = ?", [key], true);
    return row ? (row.value as string) : null;
  }

  /** Gives what is kept: what was there before, or this. */
  async keepSetting(key: string, value: string): Promise<string> {
    const query = "INSERT INTO meta (key, value) VALUES (?, ?) IF NOT EXISTS";
    await this.cas([{ query, params: [key, value] }]);
    return (await this.setting(key)) ?? value;
  }

  async all(query: string, params: readonly Value[], serial = false): Promise<readonly Row[]> {
    const rows: Row[] = [];
    for await (const page of this.#pages(query, params, serial)) rows.push(...page);
    return rows;
  }

  async *#pages(query: string, params: readonly Value[], serial: boolean) {
    let pageState: string | undefined;
    do {
      const paged = pageState ? { ...options(serial), pageState } : options(serial);
      const read = () => this.#execute({ query, params }, paged);
      const page = await failing(serial ? () => uncontended(read) : read);
      yield page.rows;
      pageState = page.pageState ?? undefined;
    } while (pageState);
  }

  async one(query: string, params: readonly Value[], serial = false): Promise<Row | null> {
    return (await this.all(query, params, serial))[0] ?? null;
  }

  /** Writes that may be repeated and that no condition is ever put on. */
  async write(statements: readonly Statement[]): Promise<void> {
    await failing(() =>
      Promise.all(statements.map((statement) => this.#execute(statement, options(false)))),
    );
  }

  /**
   * Writes that are older than all that relays write. Timestamps are microseconds since 1970: of two
   * writes of one cell, the one with the higher is kept, and those of conditions are of the present.
   */
  async load(statements: readonly Statement[], timestamp: number): Promise<void> {
    const waiting = statements.values();
    const one = async (): Promise<void> => {
      for (const statement of waiting) {
        await this.#execute(statement, { ...options(false), timestamp });
      }
    };
    await failing(() => Promise.all(Array.from({ length: LOAD_CONCURRENCY }, one)));
  }

  /** How many rows a query has, without holding them. */
  async count(query: string): Promise<number> {
    let rows = 0;
    for await (const page of this.#pages(query, [], false)) rows += page.length;
    return rows;
  }

  /** Conditional as `keepSetting`, whatever was there. */
  async changeSetting(key: string, value: string): Promise<void> {
    await this.keepSetting(key, value);
    const query = "UPDATE meta SET value = ? WHERE key = ? IF EXISTS";
    const outcome = await this.cas([{ query, params: [value, key] }]);
    if (outcome === "unknown" && (await this.setting(key)) !== value) {
      throw new DovetailError("storage_failed", "Cassandra did not say whether it has written.");
    }
  }

  /** All of one partition, together or not at all; at least one has a condition. */
  async cas(statements: readonly Statement[]): Promise<Outcome> {
    try {
      const [first] = statements;
      const result =
        statements.length === 1 && first
          ? await this.#execute(first, conditional)
          : await this.#gate.run(() =>
              this.#client.batch(
                statements.map(({ query, params }) => ({ query, params: encoded(params) })),
                { ...conditional, logged: false },
              ),
            );
      return result.wasApplied() ? { applied: true } : { applied: false, row: result.first() };
    } catch (error) {
      // Whatever went wrong, a replica may have accepted the proposal already, and may finish it.
      if (isUnknown(error)) return "unknown";
      throw failure(error);
    }
  }

  close(): Promise<void> {
    return this.#client.shutdown();
  }

  #execute(
    { query, params }: Statement,
    options: cassandra.QueryOptions,
  ): Promise<cassandra.types.ResultSet> {
    return this.#gate.run(() => this.#client.execute(query, encoded(params), options));
  }
}

const encoded = (params: readonly Value[]): (Exclude<Value, Uint8Array> | Buffer)[] =>
  params.map((value) => (value instanceof Uint8Array ? Buffer.from(value) : value));

const failure = (error: unknown): DovetailError =>
  error instanceof DovetailError
    ? error
    : new DovetailError("storage_failed", "Cassandra did not answer as it should.", {
        cause: error,
      });

async function failing<T>(operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (error) {
    throw failure(error);
  }
}

/**
 * Writers of the same partition can keep a serial read from coming through, which then ends as a read's
 * timeout or as a write's. One of replicas that are gone takes longer, and is tried once more only.
 */
export async function uncontended<T>(read: () => Promise<T>): Promise<T> {
  const { writeTimeout, readTimeout } = cassandra.types.responseErrorCodes;
  const timeouts: unknown[] = [writeTimeout, readTimeout];
  const until = performance.now() + CONTENDED_READ_MS;
  let last: unknown;
  for await (const count of tries(MAX_READ_TRIES)) {
    try {
      return await read();
    } catch (error) {
      const isTimeout =
        error instanceof cassandra.errors.ResponseError && timeouts.includes(error.code);
      if (!isTimeout || (count > 0 && performance.now() > until)) throw error;
      last = error;
    }
  }
  throw last;
}

/** Only a statement that the server found wrong was surely not executed. */
function isUnknown(error: unknown): boolean {
  const { responseErrorCodes: codes } = cassandra.types;
  const wrong: unknown[] = [
    codes.syntaxError,
    codes.unauthorized,
    codes.invalid,
    codes.configError,
    codes.alreadyExists,
  ];
  return !(error instanceof cassandra.errors.ResponseError && wrong.includes(error.code));
}
