import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { MAX_TRIES } from "../../../relay/store/cassandra/bounds.js";
import type { Database } from "../../../relay/store/cassandra/database.js";
import { Inboxes, type Note } from "../../../relay/store/cassandra/inbox.js";
import type { Outcome, Row, Statement } from "../../../relay/store/cassandra/statement.js";
import { DovetailError } from "../../../shared/errors.js";
import type { ConversationId, UserId } from "../../../shared/ids.js";
import { Prng } from "../../sim/virtual-time.js";

const alice = "a".repeat(32) as UserId;
const bob = "b".repeat(32) as UserId;
const talk = "1".repeat(32) as ConversationId;
const other = "2".repeat(32) as ConversationId;

const note = (conversationId: ConversationId, ...users: UserId[]): Note => ({
  conversationId,
  version: 1,
  users: new Map(users.map((user) => [user, null])),
  events: 1,
});

/** The conditions of inboxes, in memory. */
class Conditions {
  readonly newest = new Map<UserId, number>();
  readonly tries: UserId[] = [];
  /** What comes between a read and the write after it. */
  before: (user: UserId) => void = () => {};
  /** How long a write is on its way. */
  lag: () => Promise<void> = async () => {};
  readonly inboxes = new Inboxes(this as unknown as Database);

  async one(query: string, [user]: readonly [UserId]): Promise<Row | null> {
    const newest = this.newest.get(user);
    if (!query.startsWith("SELECT newest") || newest === undefined) return null;
    return { newest } as unknown as Row;
  }

  async all(): Promise<readonly Row[]> {
    return [];
  }

  async cas([first]: readonly Statement[]): Promise<Outcome> {
    const { query, params } = first as Statement;
    const [stamp, user, expected] = params as [number, UserId, number?];
    this.tries.push(user);
    await this.lag();
    this.before(user);
    const there = this.newest.get(user);
    const holds = query.endsWith("IF newest = null") ? there === undefined : there === expected;
    const row = { newest: there ?? null } as unknown as Row;
    if (!holds) return { applied: false, row };
    this.newest.set(user, stamp);
    return { applied: true };
  }
}

describe("inboxes on Cassandra", () => {
  // Without waiting between tries.
  beforeEach(() => void vi.spyOn(Math, "random").mockReturnValue(0));
  afterEach(() => vi.restoreAllMocks());

  it("can be written where one was copied that has no change", async () => {
    const conditions = new Conditions();
    conditions.newest.set(alice, 0);
    expect(await conditions.inboxes.note([note(talk, alice, bob)])).toEqual([1]);
    expect([...conditions.newest]).toEqual([
      [alice, 1],
      [bob, 1],
    ]);
  });

  it("are written again only for the change that met another writer", async () => {
    const conditions = new Conditions();
    conditions.before = (user) => {
      if (user === bob && conditions.tries.length <= 2) conditions.newest.set(bob, 40);
    };
    const stamps = await conditions.inboxes.note([note(talk, bob), note(other, alice)]);
    expect(stamps).toEqual([41, 2]);
    expect(conditions.tries.filter((user) => user === alice)).toHaveLength(1);
  });

  it("give up after some tries, and only the change of whoever is written by too many", async () => {
    const conditions = new Conditions();
    let stamp = 100;
    conditions.before = (user) => {
      if (user === bob) conditions.newest.set(bob, ++stamp);
    };
    const [mine, bobs] = await conditions.inboxes.note([note(talk, alice), note(other, bob)]);
    expect(mine).toBe(1);
    expect(bobs).toMatchObject({ code: "overloaded", retryAfterMs: 1_000 });
    expect(conditions.tries.filter((user) => user === bob)).toHaveLength(MAX_TRIES);
  });

  it("are shared by nodes that write to the same users without a rest: each comes through", async () => {
    const conditions = new Conditions();
    const random = new Prng(7);
    vi.mocked(Math.random).mockImplementation(() => random.fraction());
    conditions.lag = () => new Promise((done) => setTimeout(done, random.between(0, 6)));
    const users = Array.from({ length: 9 }, (_, i) => `${i}`.repeat(32) as UserId);
    const nodes = [1, 2, 3].map(() => new Inboxes(conditions as unknown as Database));
    const stamps = await Promise.all(
      nodes.map(async (inboxes) => {
        const all: unknown[] = [];
        for (let i = 0; i < 20; i++) all.push(...(await inboxes.note([note(talk, ...users)])));
        return all;
      }),
    );
    expect(stamps.flat().filter((stamp) => typeof stamp !== "number")).toEqual([]);
    expect(new Set(stamps.flat()).size).toBe(60);
  });

  it("fail for the changes of those alone whose inbox cannot be reached", async () => {
    const conditions = new Conditions();
    conditions.before = (user) => {
      if (user === bob) throw new DovetailError("storage_failed");
    };
    const [mine, both] = await conditions.inboxes.note([
      note(talk, alice),
      note(other, alice, bob),
    ]);
    expect(mine).toBe(1);
    expect(both).toMatchObject({ code: "storage_failed" });
    expect(conditions.tries.filter((user) => user === bob)).toHaveLength(1);
  });
});
