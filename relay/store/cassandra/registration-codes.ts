import type { DovetailError } from "../../../shared/errors.js";
import type { RegistrationCode, RegistrationCodes } from "../../core/ports.js";
import { rows } from "../rows.js";
import type { Database } from "./database.js";
import type { Row } from "./statement.js";
import { contended, tries } from "./tries.js";

/** All codes are in one partition: there are as many as an operator has typed. */
export const CODES_PARTITION = 0;

export class CassandraRegistrationCodes implements RegistrationCodes {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async needed(): Promise<boolean> {
    const query = "SELECT needed FROM registration_code WHERE partition = ? LIMIT 1";
    const row = await this.#database.one(query, [CODES_PARTITION]);
    return row?.needed === true;
  }

  async setNeeded(needed: boolean): Promise<void> {
    const query = "INSERT INTO registration_code (partition, needed) VALUES (?, ?)";
    await this.#database.write([{ query, params: [CODES_PARTITION, needed] }]);
  }

  async find(code: string): Promise<RegistrationCode | null> {
    const query = "SELECT code, value FROM registration_code WHERE partition = ? AND code = ?";
    const row = await this.#database.one(query, [CODES_PARTITION, code], true);
    return row && codeOf(row);
  }

  async after(code: string | null, limit: number): Promise<readonly RegistrationCode[]> {
    const query =
      "SELECT code, value FROM registration_code WHERE partition = ? AND code > ? LIMIT ?";
    const found = await this.#database.all(query, [CODES_PARTITION, code ?? "", limit], true);
    return found.map(codeOf);
  }

  async add(code: RegistrationCode): Promise<boolean> {
    const value = rows.code.encode(code);
    for await (const _ of tries()) {
      const query =
        "INSERT INTO registration_code (partition, code, value) VALUES (?, ?, ?) IF NOT EXISTS";
      const outcome = await this.#database.cas([
        { query, params: [CODES_PARTITION, code.code, value] },
      ]);
      if (outcome !== "unknown") return outcome.applied;
    }
    throw unknown();
  }

  async revoke(code: string): Promise<boolean> {
    const known = await this.find(code);
    if (!known) return false;
    const value = rows.code.encode({ ...known, revoked: true });
    for await (const _ of tries()) {
      const query =
        "UPDATE registration_code SET value = ? WHERE partition = ? AND code = ? IF EXISTS";
      const outcome = await this.#database.cas([{ query, params: [value, CODES_PARTITION, code] }]);
      if (outcome !== "unknown") return true;
    }
    throw unknown();
  }

  async used(code: string): Promise<number> {
    const query = "SELECT used FROM registration WHERE code = ? LIMIT 1";
    const row = await this.#database.one(query, [code]);
    return Number(row?.used ?? 0);
  }
}

const codeOf = (row: Row): RegistrationCode => {
  const code = row.code as string;
  return { code, ...rows.code.decode(`code/${code}`, row.value as Uint8Array) };
};

const unknown = (): DovetailError => contended("Whether the code was written cannot be told.");
