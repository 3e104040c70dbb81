import { COUNT_KEPT_MS } from "./bounds.js";
import type { Database } from "./database.js";

interface Count {
  readonly users: number;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/**
 * How many users there are. Counting reads all of them, page by page, so it is done once in a while by
 * one relay for all; who registers here meanwhile is added.
 */
export class UserCount {
  readonly #database: Database;
  #known: Count | null = null;
  #counting: Promise<number> | null = null;

  constructor(database: Database) {
    this.#database = database;
  }

  registered(): void {
    if (this.#known) this.#known = { ...this.#known, users: this.#known.users + 1 };
  }

  /** May be old: then it is counted anew for whoever asks later. */
  async get(): Promise<number> {
    if (this.#known && isFresh(this.#known)) return this.#known.users;
    const query = "SELECT number, at FROM counted WHERE what = 'users'";
    const row = await this.#database.one(query, []);
    if (!row) return this.#count();
    this.#known = { users: Number(row.number), at: Number(row.at) };
    // What fails is tried again by whoever asks next.
    if (!isFresh(this.#known)) this.#count().catch(() => {});
    return this.#known.users;
  }

  #count(): Promise<number> {
    this.#counting ??= this.#countAll().finally(() => {
      this.#counting = null;
    });
    return this.#counting;
  }

  async #countAll(): Promise<number> {
    const users = await this.#database.count("SELECT id FROM user");
    const at = Date.now();
    this.#known = { users, at };
    const query = "INSERT INTO counted (what, number, at) VALUES ('users', ?, ?)";
    await this.#database.write([{ query, params: [users, at] }]);
    return users;
  }
}

const isFresh = ({ at }: Count): boolean => Date.now() - at < COUNT_KEPT_MS;
