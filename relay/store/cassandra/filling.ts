/** A keyspace that is filled with the data of another store, before any relay writes to it. */
import { createHash, randomUUID } from "node:crypto";
import { DovetailError } from "../../../shared/errors.js";
import type { KeyValue } from "../../../shared/key-value.js";
import { CassandraRelayStore } from "./cassandra-relay-store.js";
import type { CassandraOptions } from "./connect.js";
import { Database } from "./database.js";
import { FILLED, FILLING } from "./filling-state.js";
import type { Statement } from "./statement.js";

/** Which filling it is that the fingerprints are of: the keyspace may be another one of that name. */
const RUN = "filling-run";
const PAGE_ROWS = 1_000;

/** What is written, or left as it is, together. */
export interface Unit {
  readonly name: string;
  /** What of an earlier pass may not be there any more. */
  readonly cleared: readonly Statement[];
  readonly statements: readonly Statement[];
  /** The same whenever the unit is, and not to be compared: they tell how long a row is kept. */
  readonly fleeting?: readonly Statement[];
}

/** Rows of each kind. */
export interface Counts {
  /** Of all logs. */
  readonly segments: number;
  readonly users: number;
  readonly handles: number;
  readonly devices: number;
  /** Rows of inboxes. */
  readonly inboxes: number;
}

/**
 * Writes units without conditions, each pass over those before it. What a pass has written is older than
 * any relay's write: with the time of this machine, a clock that is ahead would hide what relays write
 * in the first moments. `done` has a fingerprint of each unit that is in Cassandra.
 */
export class Filling {
  readonly database: Database;
  /** To read what was written. */
  readonly store: CassandraRelayStore;
  readonly #done: KeyValue;
  #pass = 0;

  private constructor(database: Database, name: string, done: KeyValue) {
    this.database = database;
    this.store = CassandraRelayStore.over(database, name);
    this.#done = done;
  }

  /**
   * `name` is the relay's.
   * @throws DovetailError `not_allowed` where other data are in the keyspace.
   */
  static async open(options: CassandraOptions, name: string, done: KeyValue): Promise<Filling> {
    const database = await Database.open(options);
    try {
      const state = await database.setting(FILLING);
      const there = await database.setting("name");
      const other = there !== null && (state === null || there !== name);
      if (other || state === FILLED) {
        throw new DovetailError(
          "not_allowed",
          `The keyspace ${options.keyspace} has the data of a relay already.`,
        );
      }
      if (state === null) await database.keepSetting(FILLING, "0");
      await database.keepSetting("name", name);
      await forgetOthers(done, await database.keepSetting(RUN, randomUUID()));
      return new Filling(database, name, done);
    } catch (error) {
      await database.close();
      throw error;
    }
  }

  /** What is written from now on is newer than all that was. */
  async beginPass(): Promise<void> {
    this.#pass = Number(await this.database.setting(FILLING)) + 1;
    await this.database.changeSetting(FILLING, String(this.#pass));
  }

  /** Whether it is in Cassandra as it is. */
  async has({ name, statements }: Unit): Promise<boolean> {
    const known = await this.#done.get(name);
    return known !== undefined && Buffer.compare(known, fingerprintOf(statements)) === 0;
  }

  async write(unit: Unit): Promise<void> {
    if (await this.has(unit)) return;
    const { name, cleared, statements, fleeting } = unit;
    if (this.#pass > 1) await this.database.load(cleared, this.#pass * 2);
    await this.database.load([...statements, ...(fleeting ?? [])], this.#pass * 2 + 1);
    // Lost with the machine's power, it is written once more.
    const value = fingerprintOf(statements);
    await this.#done.batch([{ type: "put", key: name, value }], false);
  }

  /** @throws DovetailError `storage_failed` where there are not as many of them as there should be. */
  async count(wanted: Counts): Promise<void> {
    const { database } = this;
    const found = {
      segments: await database.count("SELECT DISTINCT conversation, base FROM log"),
      users: await database.count("SELECT id FROM user"),
      handles: await database.count("SELECT handle FROM handle"),
      devices: await database.count("SELECT device FROM device_owner"),
      inboxes: await database.count("SELECT user FROM inbox"),
    };
    for (const [what, rows] of Object.entries(found) as [keyof Counts, number][]) {
      if (rows !== wanted[what]) {
        throw new DovetailError(
          "storage_failed",
          `Cassandra has ${rows} ${what}, and here there are ${wanted[what]}.`,
        );
      }
    }
  }

  /** Relays may use the keyspace from now on. */
  end(): Promise<void> {
    return this.database.changeSetting(FILLING, FILLED);
  }

  close(): Promise<void> {
    return this.database.close();
  }
}

async function forgetOthers(done: KeyValue, run: string): Promise<void> {
  const value = Buffer.from(run, "latin1");
  const known = await done.get(RUN);
  if (known && Buffer.compare(known, value) === 0) return;
  for (;;) {
    const rows = await done.range({ from: "", to: "~", limit: PAGE_ROWS });
    if (rows.length === 0) break;
    await done.batch(rows.map(({ key }) => ({ type: "del", key })));
  }
  await done.batch([{ type: "put", key: RUN, value }]);
}

function fingerprintOf(statements: readonly Statement[]): Uint8Array {
  const hash = createHash("sha256");
  for (const { query, params } of statements) {
    hash.update(`${query.length}:${query}`);
    for (const value of params) {
      const bytes = value instanceof Uint8Array ? value : Buffer.from(JSON.stringify(value));
      hash.update(`${bytes.length}:`).update(bytes);
    }
  }
  return new Uint8Array(hash.digest());
}
