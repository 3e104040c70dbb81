import cassandra from "cassandra-driver";
import { DovetailError } from "../../../shared/errors.js";
import { readTlsClient, type TlsClientFiles } from "../../tls.js";
import { migrations } from "./schema.js";

export interface CassandraOptions {
  readonly contactPoints: readonly string[];
  readonly localDatacenter: string;
  readonly keyspace: string;
  /** Copies in the local datacenter. */
  readonly replication: number;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  /** Null for connections that are not encrypted. */
  readonly tls?: TlsClientFiles | null;
}

export type Row = cassandra.types.Row;
type Value = string | number | boolean | Uint8Array | null;

export interface Statement {
  readonly query: string;
  readonly params: readonly Value[];
}

/** `unknown` where it may or may not have been written: a later serial read tells. */
export type Outcome =
  | { readonly applied: true }
  | { readonly applied: false; readonly row: Row | null }
  | "unknown";

const { consistencies } = cassandra.types;
const READ_MS = 12_000;
const CONNECT_MS = 5_000;
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

  private constructor(client: cassandra.Client) {
    this.#client = client;
  }

  /** @throws DovetailError `storage_failed`, `profile_newer`, or `invalid_params` for the files of `tls`. */
  static async open(wanted: CassandraOptions): Promise<Database> {
    const common = {
      contactPoints: [...wanted.contactPoints],
      localDataCenter: wanted.localDatacenter,
      encoding: { useBigIntAsLong: false },
      socketOptions: { connectTimeout: CONNECT_MS, readTimeout: READ_MS },
      ...(wanted.user && {
        credentials: { username: wanted.user, password: wanted.password ?? "" },
      }),
      ...(wanted.tls && { sslOptions: readTlsClient(wanted.tls) }),
    };
    const first = new cassandra.Client(common);
    try {
      await first.connect();
      await makeKeyspace(first, wanted);
    } catch (error) {
      throw unreachable(error, wanted);
    } finally {
      await first.shutdown();
    }
    const client = new cassandra.Client({ ...common, keyspace: wanted.keyspace });
    try {
      await client.connect();
      const database = new Database(client);
      await database.#migrate();
      return database;
    } catch (error) {
      await client.shutdown();
      throw error instanceof DovetailError ? error : unreachable(error, wanted);
    }
  }

  async #migrate(): Promise<void> {
    if (!(await hasTable(this.#client, this.#client.keyspace, "meta"))) {
      await this.#client.execute(
        "CREATE TABLE IF NOT EXISTS meta (key text PRIMARY KEY, value text)",
      );
    }
    const version = Number((await this.setting("schema")) ?? 0);
    if (version > migrations.length) {
      throw new DovetailError(
        "profile_newer",
        `The data were written by a newer relay (schema ${version}; this one knows ${migrations.length}).`,
      );
    }
    for (const step of migrations.slice(version)) {
      for (const statement of step) await this.#client.execute(statement);
    }
    // Two relays of different versions may start at once: the version never runs back.
    for (let next = version; next < migrations.length; next += 1) {
      const query =
        next === 0
          ? "INSERT INTO meta (value, key) VALUES (?, ?) IF NOT EXISTS"
          : `UPDATE meta SET value = ? WHERE key = ? IF value = '${next}'`;
      await this.cas([{ query, params: [String(next + 1), "schema"] }]);
    }
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
      const read = () => this.#client.execute(query, encoded(params), paged);
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
      Promise.all(
        statements.map(({ query, params }) =>
          this.#client.execute(query, encoded(params), options(false)),
        ),
      ),
    );
  }

  /**
   * Writes that are older than all that relays write. Timestamps are microseconds since 1970: of two
   * writes of one cell, the one with the higher is kept, and those of conditions are of the present.
   */
  async load(statements: readonly Statement[], timestamp: number): Promise<void> {
    const waiting = statements.values();
    const one = async (): Promise<void> => {
      for (const { query, params } of waiting) {
        await this.#client.execute(query, encoded(params), { ...options(false), timestamp });
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
          ? await this.#client.execute(first.query, encoded(first.params), conditional)
          : await this.#client.batch(
              statements.map(({ query, params }) => ({ query, params: encoded(params) })),
              { ...conditional, logged: false },
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
}

/** Only what is missing: a user who may not make it can use what is there. */
async function makeKeyspace(
  client: cassandra.Client,
  { keyspace, localDatacenter, replication }: CassandraOptions,
): Promise<void> {
  const query = "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = ?";
  const { rowLength } = await client.execute(query, [keyspace], { prepare: true });
  if (rowLength > 0) return;
  await client.execute(
    `CREATE KEYSPACE IF NOT EXISTS ${keyspace} WITH replication =
      {'class': 'NetworkTopologyStrategy', '${localDatacenter}': ${replication}}`,
  );
}

async function hasTable(
  client: cassandra.Client,
  keyspace: string,
  table: string,
): Promise<boolean> {
  const query =
    "SELECT table_name FROM system_schema.tables WHERE keyspace_name = ? AND table_name = ?";
  const { rowLength } = await client.execute(query, [keyspace, table], { prepare: true });
  return rowLength > 0;
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

/** Writers of the same partition can keep a serial read from coming through: once more, and they are gone. */
async function uncontended<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    const { writeTimeout } = cassandra.types.responseErrorCodes;
    if (!(error instanceof cassandra.errors.ResponseError && error.code === writeTimeout)) {
      throw error;
    }
    return read();
  }
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

const unreachable = (error: unknown, { contactPoints }: CassandraOptions): DovetailError =>
  new DovetailError(
    "storage_failed",
    `Cassandra cannot be used at ${contactPoints.join(", ")}: ${reason(error)}`,
    { cause: error },
  );

function reason(error: unknown): string {
  if (error instanceof cassandra.errors.NoHostAvailableError) {
    const [inner] = Object.values(error.innerErrors ?? {}) as unknown[];
    if (inner instanceof Error) return inner.message;
  }
  return error instanceof Error ? error.message : String(error);
}
