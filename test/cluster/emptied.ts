import cassandra from "cassandra-driver";
import type { CassandraOptions } from "../../relay/store/cassandra/connect.js";

const { Client } = cassandra;

/** The keyspace as a relay has made it: tables of the newest schema, and nothing in them. */
export async function emptied(options: CassandraOptions): Promise<CassandraOptions> {
  const { contactPoints, localDatacenter, keyspace } = options;
  const client = new Client({
    contactPoints: [...contactPoints],
    localDataCenter: localDatacenter,
    keyspace,
  });
  try {
    const query = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = ?";
    const { rows } = await client.execute(query, [keyspace], { prepare: true });
    await Promise.all(rows.map((row) => empty(client, row.table_name as string)));
    return options;
  } finally {
    await client.shutdown();
  }
}

async function empty(client: cassandra.Client, table: string): Promise<void> {
  if (table === "meta") {
    const { rows } = await client.execute("SELECT key FROM meta");
    const keys = rows.map((row) => row.key as string).filter((key) => key !== "schema");
    if (keys.length > 0)
      await client.execute("DELETE FROM meta WHERE key IN ?", [keys], { prepare: true });
    return;
  }
  // Most tests write to few of them, and TRUNCATE waits for the disk.
  const { rowLength } = await client.execute(`SELECT * FROM ${table} LIMIT 1`);
  if (rowLength > 0) await client.execute(`TRUNCATE ${table}`);
}
