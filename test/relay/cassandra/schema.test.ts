import cassandra from "cassandra-driver";
import { beforeEach, describe, expect, it } from "vitest";
import { isOnItsWay } from "../../../relay/store/cassandra/connect.js";
import { bringUpToDate, type Keyspace } from "../../../relay/store/cassandra/schema.js";
import type { Outcome, Statement } from "../../../relay/store/cassandra/statement.js";
import { migrations } from "../../../relay/store/cassandra/tables.js";
import { DovetailError } from "../../../shared/errors.js";

const LOCK = "schema-lock";

/** The settings of a keyspace in memory, and what is done to its tables. */
class Tables {
  readonly settings = new Map<string, string>();
  readonly altered: string[] = [];
  running = 0;
  most = 0;
  /** Before a change of tables. */
  meanwhile: (query: string) => void = () => {};

  /** As one relay sees it. */
  keyspace(): Keyspace {
    return {
      hasTable: async () => true,
      setting: async (key) => this.settings.get(key) ?? null,
      alter: async (query) => {
        this.meanwhile(query);
        this.most = Math.max(this.most, ++this.running);
        await new Promise((resolve) => setImmediate(resolve));
        this.altered.push(query);
        this.running -= 1;
      },
      cas: async (statements) => this.#cas(statements),
    };
  }

  #cas([statement]: readonly Statement[]): Outcome {
    const { query, params } = statement as Statement;
    const key = query.includes(LOCK) ? LOCK : "schema";
    const there = this.settings.get(key);
    const expected = query.includes("IF value = ?") ? params.at(-1) : /'(\d+)'$/.exec(query)?.[1];
    const holds = query.includes("IF NOT EXISTS") ? there === undefined : there === expected;
    if (!holds) return { applied: false, row: null };
    if (query.startsWith("DELETE")) this.settings.delete(key);
    else this.settings.set(key, params[0] as string);
    return { applied: true };
  }
}

describe("tables on Cassandra", () => {
  const all = migrations.flat();
  let tables: Tables;
  const bring = () => bringUpToDate(tables.keyspace(), 0);
  beforeEach(() => {
    tables = new Tables();
  });

  it("are made by one relay, where several start at once", async () => {
    await Promise.all([bring(), bring(), bring()]);
    expect(tables.most).toBe(1);
    expect(tables.altered).toEqual(all);
    expect([...tables.settings]).toEqual([["schema", `${migrations.length}`]]);
  });

  it("that are there are left as they are, whoever has the lock", async () => {
    tables.settings.set("schema", `${migrations.length}`).set(LOCK, "another");
    await bring();
    expect(tables.altered).toEqual([]);
  });

  it("of a relay that failed in between are made to their end by another", async () => {
    const first = bring();
    tables.meanwhile = (query) => {
      if (query === all[3]) throw new DovetailError("storage_failed");
    };
    await expect(first).rejects.toThrow();
    tables.meanwhile = () => {};
    await bring();
    expect(tables.altered.slice(-all.length)).toEqual(all);
  });

  it("are not changed any further by one whose lock was taken over", async () => {
    tables.meanwhile = (query) => {
      if (query === all[3]) tables.settings.set(LOCK, "another");
    };
    const one = bring();
    while (tables.altered.length < 4) await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    expect(tables.altered).toEqual(all.slice(0, 4));
    // What the other one does.
    tables.meanwhile = () => {};
    tables.settings.set("schema", `${migrations.length}`);
    await one;
    expect(tables.settings.get(LOCK)).toBe("another");
  });

  it("of a newer relay are refused", async () => {
    tables.settings.set("schema", "99");
    await expect(bring()).rejects.toMatchObject({ code: "profile_newer" });
  });
});

describe("what another relay has just made", () => {
  const { ResponseError, NoHostAvailableError } = cassandra.errors;
  const { invalid, unauthorized } = cassandra.types.responseErrorCodes;

  it("is waited for where a node does not know it yet", () => {
    const missing = new ResponseError(invalid, "Keyspace 'dovetail' does not exist");
    expect(isOnItsWay(missing)).toBe(true);
    expect(isOnItsWay(new NoHostAvailableError({ "10.0.0.1:9042": missing }))).toBe(true);
    expect(isOnItsWay(new DovetailError("storage_failed", "", { cause: missing }))).toBe(true);
  });

  it("is nothing that waiting brings where the relay may not see it", () => {
    expect(isOnItsWay(new ResponseError(unauthorized, "User has no SELECT permission"))).toBe(
      false,
    );
    expect(isOnItsWay(new NoHostAvailableError({ "10.0.0.1:9042": new Error("refused") }))).toBe(
      false,
    );
    expect(isOnItsWay(new DovetailError("profile_newer"))).toBe(false);
  });
});
