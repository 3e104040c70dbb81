import { type KeyValue, under } from "../../shared/key-value.js";
import type { RegistrationCode, RegistrationCodes } from "../core/ports.js";
import { keys, rows } from "./rows.js";
import type { Serial } from "./serial.js";

export class KvRegistrationCodes implements RegistrationCodes {
  readonly #kv: KeyValue;
  /** The directory's own. */
  readonly #serial: Serial;

  constructor(kv: KeyValue, serial: Serial) {
    this.#kv = kv;
    this.#serial = serial;
  }

  async needed(): Promise<boolean> {
    return (await this.#number(keys.codesNeeded)) > 0;
  }

  async setNeeded(needed: boolean): Promise<void> {
    const value = rows.number.encode(needed ? 1 : 0);
    await this.#kv.batch([{ type: "put", key: keys.codesNeeded, value }]);
  }

  async find(code: string): Promise<RegistrationCode | null> {
    const key = keys.code(code);
    const stored = await this.#kv.get(key);
    return stored ? { code, ...rows.code.decode(key, stored) } : null;
  }

  async after(code: string | null, limit: number): Promise<readonly RegistrationCode[]> {
    const prefix = keys.code("");
    const from = code === null ? prefix : `${keys.code(code)}\0`;
    const found = await this.#kv.range({ ...under(prefix), from, limit });
    return found.map(({ key, value }) => ({
      code: key.slice(prefix.length),
      ...rows.code.decode(key, value),
    }));
  }

  add(code: RegistrationCode): Promise<boolean> {
    return this.#serial.run(async () => {
      if (await this.find(code.code)) return false;
      await this.#put(code);
      return true;
    });
  }

  revoke(code: string): Promise<boolean> {
    return this.#serial.run(async () => {
      const known = await this.find(code);
      if (known && !known.revoked) await this.#put({ ...known, revoked: true });
      return known !== null;
    });
  }

  used(code: string): Promise<number> {
    return this.#number(keys.inviteUses(code));
  }

  async #put(code: RegistrationCode): Promise<void> {
    const value = rows.code.encode(code);
    await this.#kv.batch([{ type: "put", key: keys.code(code.code), value }]);
  }

  async #number(key: string): Promise<number> {
    const stored = await this.#kv.get(key);
    return stored ? rows.number.decode(key, stored) : 0;
  }
}
