import { DovetailError } from "../../shared/errors.js";
import type { KeyValue } from "../../shared/key-value.js";
import type { RelayStore } from "../core/ports.js";
import { KvDirectory } from "./directory.js";
import { KvInviteStore } from "./invites.js";
import { KvLogStore } from "./logs.js";
import { keys, rows } from "./rows.js";
import { Serial } from "./serial.js";

/** Raised by one whenever tables change so that an older relay must not touch them. */
export const SCHEMA_VERSION = 2;

/** All tables of a relay in one ordered key-value store, which must have no other writer. */
export class KvRelayStore implements RelayStore {
  readonly logs: KvLogStore;
  readonly invites: KvInviteStore;
  readonly directory: KvDirectory;
  /** What clients sign as the relay's name. */
  readonly name: string;

  private constructor(kv: KeyValue, name: string) {
    const serial = new Serial();
    this.logs = new KvLogStore(kv, serial);
    this.invites = new KvInviteStore(kv, serial);
    this.directory = new KvDirectory(kv);
    this.name = name;
  }

  /**
   * `newName` is kept where the store has no name yet.
   * @throws DovetailError `profile_newer` or `profile_corrupt`.
   */
  static async open(kv: KeyValue, newName: string): Promise<KvRelayStore> {
    const schema = await kv.get(keys.schema);
    const version = schema ? rows.number.decode(keys.schema, schema) : null;
    if (version !== null && version > SCHEMA_VERSION) {
      throw new DovetailError(
        "profile_newer",
        `The data were written by a newer relay (schema ${version}; this one knows ${SCHEMA_VERSION}).`,
      );
    }
    const stored = await kv.get(keys.relayName);
    const name = stored ? rows.name.decode(keys.relayName, stored) : newName;
    if (version !== SCHEMA_VERSION || !stored) {
      await kv.batch([
        { type: "put", key: keys.schema, value: rows.number.encode(SCHEMA_VERSION) },
        { type: "put", key: keys.relayName, value: rows.name.encode(name) },
      ]);
    }
    return new KvRelayStore(kv, name);
  }
}
