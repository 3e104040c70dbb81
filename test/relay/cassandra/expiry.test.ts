import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { DUE_PER_PAGE, LAST_EXPIRY_S } from "../../../relay/store/cassandra/bounds.js";
import type { Database } from "../../../relay/store/cassandra/database.js";
import { type Due, Expiries } from "../../../relay/store/cassandra/expiry.js";
import type { Row, Statement } from "../../../relay/store/cassandra/statement.js";
import type { ConversationId, DeviceId, UserId } from "../../../shared/ids.js";
import type { SequencedEntry } from "../../../shared/protocol.js";

const HOUR_MS = 3_600_000;
const DAY_S = 86_400;
const talk = "1".repeat(32) as ConversationId;

const entry = (seq: number, at: number, ttl: number): SequencedEntry => ({
  ...{ seq, n: seq, at, ttl, userId: "a".repeat(32) as UserId },
  ...{ deviceId: "d".repeat(32) as DeviceId, rights: "change" as const, membership: null },
  payload: Uint8Array.of(1),
});

/** The two tables of due times, in memory. Refuses what Cassandra refuses. */
class Tables {
  readonly hours = new Set<number>();
  readonly rows: { hour: number; due: number; seq: number; ttl: number }[] = [];
  /** Rows read. */
  reads = 0;

  async write(statements: readonly Statement[]): Promise<void> {
    for (const { query, params } of statements) {
      const [hour = 0] = params as number[];
      if (query.startsWith("DELETE FROM expiry_hour")) this.hours.delete(hour);
      else if (query.startsWith("DELETE FROM expiry ")) {
        this.rows.splice(0, Infinity, ...this.rows.filter((row) => row.hour !== hour));
      } else {
        const ttl = params.at(-1) as number;
        if (Date.now() / 1_000 + ttl > 2_147_483_646) throw new Error("exceeds maximum");
        if (query.includes("expiry_hour")) this.hours.add(hour);
        else this.rows.push({ hour, due: Number(params[1]), seq: Number(params[3]), ttl });
      }
    }
  }

  async all(query: string, params: readonly number[]): Promise<readonly Row[]> {
    const [first = 0, from = 0, to = 0, limit = Infinity] = params;
    if (query.includes("expiry_hour")) {
      const found = [...this.hours].filter((hour) => hour <= first).sort((a, b) => a - b);
      return found.map((hour) => ({ hour })) as unknown as Row[];
    }
    const found = this.rows
      .filter(({ hour }) => hour === first)
      .filter(({ due }) => (query.includes("due =") ? due === from : due > from && due <= to))
      .sort((a, b) => a.due - b.due || a.seq - b.seq)
      .slice(0, limit);
    this.reads += found.length;
    return found.map((row) => ({ ...row, conversation: talk })) as unknown as Row[];
  }
}

describe("due times on Cassandra", () => {
  let tables: Tables;
  let expiries: Expiries;
  let erased: number[];
  const start = (): void => {
    expiries = new Expiries(tables as unknown as Database);
  };
  const erase = async (due: readonly Due[]): Promise<number> => {
    const fresh = due.filter(({ seq }) => !erased.includes(seq));
    erased.push(...fresh.map(({ seq }) => seq));
    return fresh.length;
  };
  beforeEach(() => {
    vi.useFakeTimers({ now: Date.UTC(2026, 0, 1), toFake: ["Date"] });
    tables = new Tables();
    erased = [];
    start();
  });
  afterEach(() => void vi.useRealTimers());

  it("are kept for as long as they are needed, and a month", async () => {
    await expiries.plan(talk, [entry(1, Date.now(), 7 * DAY_S)]);
    expect(tables.rows.map(({ ttl }) => ttl)).toEqual([37 * DAY_S]);
  });

  it("beyond what Cassandra can count to are kept until they are done, and deleted then", async () => {
    const lives = [LAST_EXPIRY_S - Date.now() / 1_000, 0xffff_ffff];
    await expiries.plan(
      talk,
      lives.map((life, i) => entry(i + 1, Date.now(), life)),
    );
    expect(tables.rows.map(({ ttl }) => ttl)).toEqual([0, 0]);
    const end = Date.now() + 0xffff_ffff * 1_000;
    vi.setSystemTime(end + 3 * HOUR_MS);
    expect(await expiries.erase(Date.now(), 10, erase)).toBe(2);
    expect([tables.rows, [...tables.hours]]).toEqual([[], []]);
  });

  it("are gone through once, and once more when their hour is over", async () => {
    const hour = Date.now();
    await expiries.plan(talk, [entry(1, hour, 60), entry(2, hour, 120)]);
    expect(await expiries.erase(hour + 90_000, 10, erase)).toBe(1);
    expect(await expiries.erase(hour + 180_000, 10, erase)).toBe(1);
    expect(await expiries.erase(hour + 190_000, 10, erase)).toBe(0);
    expect(tables.reads).toBe(2);
    // By a node that was slow.
    await expiries.plan(talk, [entry(3, hour, 30)]);
    expect(await expiries.erase(hour + 2 * HOUR_MS, 10, erase)).toBe(1);
    expect([...tables.hours]).toEqual([]);
    start();
    tables.reads = 0;
    expect(await expiries.erase(hour + 9 * HOUR_MS, 10, erase)).toBe(0);
    expect(tables.reads).toBe(0);
  });

  it("are found by whoever comes after one that has ended", async () => {
    await expiries.plan(talk, [entry(1, Date.now(), 60)]);
    start();
    expect(await expiries.erase(Date.now() + 24 * HOUR_MS, 10, erase)).toBe(1);
  });

  it("are erased some at a time, however many are due at once", async () => {
    const all = DUE_PER_PAGE + 300;
    const at = Date.now();
    await expiries.plan(
      talk,
      Array.from({ length: all }, (_, i) => entry(i + 1, at, 60)),
    );
    const later = at + 3 * HOUR_MS;
    const counts: number[] = [];
    while (counts.at(-1) !== 0) counts.push(await expiries.erase(later, 300, erase));
    expect(counts).toEqual([300, 300, 212, 0]);
    expect(new Set(erased).size).toBe(all);
  });

  it("of which nothing is left take no more than some looks at a time", async () => {
    const at = Date.now();
    const all = 10 * DUE_PER_PAGE;
    await expiries.plan(
      talk,
      Array.from({ length: all }, (_, i) => entry(i + 1, at + i, 60)),
    );
    let looks = 0;
    const nothing = async (due: readonly Due[]): Promise<number> => {
      looks += due.length;
      return 0;
    };
    await expiries.erase(at + 3 * HOUR_MS, 100, nothing);
    expect(looks).toBeLessThan(2 * DUE_PER_PAGE);
    while (tables.hours.size > 0) await expiries.erase(at + 3 * HOUR_MS, 100, nothing);
    expect(looks).toBe(all);
  });
});
