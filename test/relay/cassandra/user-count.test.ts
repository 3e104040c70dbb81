import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { COUNT_KEPT_MS } from "../../../relay/store/cassandra/bounds.js";
import type { Database } from "../../../relay/store/cassandra/database.js";
import type { Row, Statement } from "../../../relay/store/cassandra/statement.js";
import { UserCount } from "../../../relay/store/cassandra/user-count.js";

class Users {
  users = 0;
  counts = 0;
  row: { number: number; at: number } | null = null;

  async one(): Promise<Row | null> {
    return this.row as unknown as Row | null;
  }

  async count(): Promise<number> {
    this.counts += 1;
    return this.users;
  }

  async write([statement]: readonly Statement[]): Promise<void> {
    const [number, at] = (statement as Statement).params as [number, number];
    this.row = { number, at };
  }
}

beforeEach(() => void vi.useFakeTimers({ now: 1_000_000_000_000, toFake: ["Date"] }));
afterEach(() => void vi.useRealTimers());

it("counts all users once in a while, for all relays", async () => {
  const users = new Users();
  const relay = () => new UserCount(users as unknown as Database);
  const [first, second] = [relay(), relay()];
  users.users = 7;
  expect(await first.get()).toBe(7);
  first.registered();
  users.users = 8;
  expect([await first.get(), await second.get()]).toEqual([8, 7]);
  expect(users.counts).toBe(1);

  vi.setSystemTime(Date.now() + COUNT_KEPT_MS);
  // Nobody waits for a count that takes long.
  expect(await second.get()).toBe(7);
  await vi.waitFor(async () => expect(await second.get()).toBe(8));
  expect(await first.get()).toBe(8);
  expect(users.counts).toBe(2);
});
