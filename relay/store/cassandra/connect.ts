/** How a relay comes to its keyspace. */
import cassandra from "cassandra-driver";
import { DovetailError } from "../../../shared/errors.js";
import { readTlsClient, type TlsClientFiles } from "../../tls.js";

const READ_MS = 12_000;
const CONNECT_MS = 5_000;
/** Seconds for which a change of tables waits until all nodes that are there know of it. */
const AGREEMENT_S = 30;

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

/** @throws DovetailError `invalid_params` for the files of `tls`. */
export function clientOptions(wanted: CassandraOptions): cassandra.ClientOptions {
  return {
    contactPoints: [...wanted.contactPoints],
    localDataCenter: wanted.localDatacenter,
    encoding: { useBigIntAsLong: false },
    socketOptions: { connectTimeout: CONNECT_MS, readTimeout: READ_MS },
    protocolOptions: { maxSchemaAgreementWaitSeconds: AGREEMENT_S },
    ...(wanted.user && {
      credentials: { username: wanted.user, password: wanted.password ?? "" },
    }),
    ...(wanted.tls && { sslOptions: readTlsClient(wanted.tls) }),
  };
}

/** Only what is missing: a user who may not make it can use what is there. */
export async function makeKeyspace(
  options: cassandra.ClientOptions,
  { keyspace, localDatacenter, replication }: CassandraOptions,
): Promise<void> {
  const client = new cassandra.Client(options);
  try {
    await client.connect();
    const query = "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = ?";
    const { rowLength } = await client.execute(query, [keyspace], { prepare: true });
    if (rowLength > 0) return;
    await client.execute(
      `CREATE KEYSPACE IF NOT EXISTS ${keyspace} WITH replication =
        {'class': 'NetworkTopologyStrategy', '${localDatacenter}': ${replication}}`,
    );
  } finally {
    await client.shutdown();
  }
}

/** The same for all relays that see the same nodes: what one node is asked for it does in turn. */
export function firstHost(
  client: cassandra.Client,
  localDatacenter: string,
): cassandra.Host | undefined {
  const hosts = client.hosts.values().filter((host) => host.isUp());
  const local = hosts.filter(({ datacenter }) => datacenter === localDatacenter);
  return local.sort((a, b) => (a.address < b.address ? -1 : 1))[0];
}

/** Whether it speaks of a keyspace or table that another relay has just made by another node. */
export function isOnItsWay(error: unknown): boolean {
  const { invalid, configError, alreadyExists } = cassandra.types.responseErrorCodes;
  const codes: unknown[] = [invalid, configError, alreadyExists];
  if (error instanceof cassandra.errors.NoHostAvailableError) {
    return Object.values(error.innerErrors ?? {}).some(isOnItsWay);
  }
  if (error instanceof DovetailError) return isOnItsWay(error.cause);
  return (
    error instanceof cassandra.errors.ResponseError &&
    codes.includes(error.code) &&
    /does not exist|already exist|unconfigured table|ID mismatch/i.test(error.message)
  );
}

export const unreachable = (error: unknown, { contactPoints }: CassandraOptions): DovetailError =>
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
