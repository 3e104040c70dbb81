/** A Cassandra that asks who comes, by TLS and by password, and lets the relay into its own keyspace only. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import cassandra from "cassandra-driver";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CassandraRelayStore } from "../../relay/store/cassandra/cassandra-relay-store.js";
import type { CassandraOptions } from "../../relay/store/cassandra/connect.js";
import type { UserId } from "../../shared/ids.js";
import { startCassandra } from "../parts/cassandra.mjs";
import { Authority, hasOpenssl, type Pair } from "../relay/certificates.js";

const KEYSPACE = "dovetail";

describe.skipIf(!hasOpenssl)("a Cassandra that asks who comes", () => {
  let folder: string;
  let authority: Authority;
  let own: Pair;
  let cluster: Awaited<ReturnType<typeof startCassandra>>;
  let operator: cassandra.Client;
  let options: CassandraOptions;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "dovetail-access-"));
    authority = new Authority(folder, "authority");
    own = authority.issue("relay", "DNS:relay.example");
    const node = authority.issue("node", "IP:127.0.0.1");
    const ca = await readFile(authority.certificate, "utf8");
    const keystore = join(folder, "node-store.pem");
    await writeFile(
      keystore,
      `${await readFile(node.key, "utf8")}${await readFile(node.cert, "utf8")}${ca}`,
    );
    const [cert, key] = [await readFile(own.cert, "utf8"), await readFile(own.key, "utf8")];
    const access = {
      credentials: { username: "cassandra", password: "cassandra" },
      sslOptions: { ca, cert, key, rejectUnauthorized: true },
    };
    const tls = {
      enabled: true,
      require_client_auth: true,
      ssl_context_factory: {
        class_name: "org.apache.cassandra.security.PEMBasedSslContextFactory",
      },
      keystore,
      truststore: authority.certificate,
    };
    cluster = await startCassandra(1, {
      settings: {
        authenticator: "PasswordAuthenticator",
        authorizer: "CassandraAuthorizer",
        client_encryption_options: JSON.stringify(tls),
      },
      access,
    });
    const { contactPoints, datacenter: localDataCenter } = cluster;
    operator = new cassandra.Client({ contactPoints, localDataCenter, ...access });
    await operator.execute("CREATE ROLE relay WITH PASSWORD = 'north' AND LOGIN = true");
    options = {
      contactPoints,
      localDatacenter: localDataCenter,
      keyspace: KEYSPACE,
      replication: 1,
      user: "relay",
      password: "north",
      tls: { ca: authority.certificate, own },
    };
  });
  afterAll(async () => {
    await operator?.shutdown();
    await cluster?.close();
    await rm(folder, { recursive: true });
  });

  const open = (changed: Partial<CassandraOptions> = {}) =>
    CassandraRelayStore.open({ ...options, ...changed }, "relay-test");

  it("is used with the rights that the operator's page names, and no more", async () => {
    // Who may not make a keyspace is told so, where there is none.
    await expect(open()).rejects.toThrow(/no CREATE permission/);
    const replication = "{'class': 'NetworkTopologyStrategy', 'datacenter1': 1}";
    await operator.execute(`CREATE KEYSPACE ${KEYSPACE} WITH replication = ${replication}`);
    const grant = (right: string) =>
      operator.execute(`GRANT ${right} ON KEYSPACE ${KEYSPACE} TO relay`);
    for (const right of ["SELECT", "MODIFY", "CREATE"]) await grant(right);
    const first = await open();
    expect(first.name).toBe("relay-test");
    await first.close();
    // Once the tables are there they need not be made.
    await operator.execute(`REVOKE CREATE ON KEYSPACE ${KEYSPACE} FROM relay`);
    const second = await open();
    expect(await second.directory.user("a".repeat(32) as UserId)).toBeNull();
    await second.close();
  });

  it("says why it lets nobody in", async () => {
    const other = new Authority(folder, "other");
    const wrong: [Partial<CassandraOptions>, RegExp][] = [
      [{ password: "south" }, /username.*password|[Bb]ad credentials/],
      [{ tls: { ca: other.certificate, own } }, /self-signed/],
      [{ tls: { ca: authority.certificate, own: null } }, /cannot be used/],
      [{ tls: null }, /cannot be used/],
    ];
    for (const [changed, why] of wrong) await expect(open(changed)).rejects.toThrow(why);
  });
});
