import { DovetailError } from "../../../shared/errors.js";
import type { RelayStore } from "../../core/ports.js";
import { Serial } from "../serial.js";
import type { CassandraOptions } from "./connect.js";
import { Database } from "./database.js";
import { CassandraDirectory } from "./directory.js";
import { isBeingFilled } from "./filling-state.js";
import { CassandraInviteStore } from "./invites.js";
import { CassandraLogStore } from "./logs.js";
import { Segments } from "./segments.js";

/** All tables of a relay in one keyspace, which other relays may write at the same time. */
export class CassandraRelayStore implements RelayStore {
  readonly logs: CassandraLogStore;
  readonly invites: CassandraInviteStore;
  readonly directory: CassandraDirectory;
  /** What clients sign as the relay's name: the same at all nodes. */
  readonly name: string;
  readonly #database: Database;

  private constructor(database: Database, name: string) {
    const segments = new Segments(database);
    this.logs = new CassandraLogStore(database, segments, new Serial());
    this.invites = new CassandraInviteStore(database, segments);
    this.directory = new CassandraDirectory(database);
    this.name = name;
    this.#database = database;
  }

  /** The tables of a keyspace that is being filled. */
  static over(database: Database, name: string): CassandraRelayStore {
    return new CassandraRelayStore(database, name);
  }

  /**
   * `newName` is kept where the store has no name yet.
   * @throws DovetailError `storage_failed` or `profile_newer`.
   */
  static async open(options: CassandraOptions, newName: string): Promise<CassandraRelayStore> {
    const database = await Database.open(options);
    try {
      if (await isBeingFilled(database)) {
        throw new DovetailError(
          "not_allowed",
          `The keyspace ${options.keyspace} is being filled by migrate, which has not come to its end.`,
        );
      }
      return new CassandraRelayStore(database, await database.keepSetting("name", newName));
    } catch (error) {
      await database.close();
      throw error;
    }
  }

  close(): Promise<void> {
    return this.#database.close();
  }
}
