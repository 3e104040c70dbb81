/** Makes the tables, whoever else is making them at the same time. */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { DovetailError } from "../../../shared/errors.js";
import type { Outcome, Statement } from "./statement.js";
import { META, migrations } from "./tables.js";

/** The setting that says who is changing the tables. */
const LOCK = "schema-lock";
/** Seconds after which the lock of a relay that has ended is free: longer than one change takes. */
const LOCK_S = 20;
/** Milliseconds between two looks whether another relay has done. */
const LOOK_MS = 250;
/** Milliseconds for which another relay may be at it. */
const PATIENCE_MS = 300_000;

export interface Keyspace {
  hasTable(table: string): Promise<boolean>;
  /** Changes the tables, at one node for all relays; resolves when all nodes know. */
  alter(query: string): Promise<void>;
  setting(key: string): Promise<string | null>;
  cas(statements: readonly Statement[]): Promise<Outcome>;
}

/**
 * Cassandra does not put changes of tables in an order: of two relays that make the same table by
 * different nodes each may get one of its own. So they are made by one relay at a time.
 * @throws DovetailError `storage_failed` or `profile_newer`.
 */
export async function bringUpToDate(keyspace: Keyspace, lookMs = LOOK_MS): Promise<void> {
  // The lock is a row of this one.
  if (!(await keyspace.hasTable("meta"))) await keyspace.alter(META);
  const until = performance.now() + PATIENCE_MS;
  const mine = randomUUID();
  while ((await versionOf(keyspace)) < migrations.length) {
    if (await taken(keyspace, mine)) {
      try {
        await migrate(keyspace, mine);
      } finally {
        const query = `DELETE FROM meta WHERE key = '${LOCK}' IF value = ?`;
        await keyspace.cas([{ query, params: [mine] }]);
      }
      continue;
    }
    if (performance.now() > until) {
      throw new DovetailError("storage_failed", "Another relay does not end making the tables.");
    }
    await sleep(lookMs);
  }
}

async function versionOf(keyspace: Keyspace): Promise<number> {
  const version = Number((await keyspace.setting("schema")) ?? 0);
  if (version > migrations.length) {
    throw new DovetailError(
      "profile_newer",
      `The data were written by a newer relay (schema ${version}; this one knows ${migrations.length}).`,
    );
  }
  return version;
}

async function taken(keyspace: Keyspace, mine: string): Promise<boolean> {
  const query = `INSERT INTO meta (key, value) VALUES ('${LOCK}', ?) IF NOT EXISTS USING TTL ${LOCK_S}`;
  const outcome = await keyspace.cas([{ query, params: [mine] }]);
  if (outcome === "unknown") return (await keyspace.setting(LOCK)) === mine;
  return outcome.applied;
}

/** As far as it comes: the lock may be lost meanwhile. */
async function migrate(keyspace: Keyspace, mine: string): Promise<void> {
  for (let version = await versionOf(keyspace); version < migrations.length; version += 1) {
    for (const statement of migrations[version] ?? []) {
      const query = `UPDATE meta USING TTL ${LOCK_S} SET value = ? WHERE key = '${LOCK}' IF value = ?`;
      const outcome = await keyspace.cas([{ query, params: [mine, mine] }]);
      if (outcome === "unknown" || !outcome.applied) return;
      await keyspace.alter(statement);
    }
    // Relays of different versions may start at once: the version never runs back.
    const query =
      version === 0
        ? "INSERT INTO meta (value, key) VALUES (?, ?) IF NOT EXISTS"
        : `UPDATE meta SET value = ? WHERE key = ? IF value = '${version}'`;
    await keyspace.cas([{ query, params: [String(version + 1), "schema"] }]);
  }
}
