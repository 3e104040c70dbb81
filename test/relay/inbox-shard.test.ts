import { beforeEach, describe, expect, it } from "vitest";
import { InboxShard, type Note } from "../../relay/store/sharded/inbox-shard.js";
import type { ConversationId, UserId } from "../../shared/ids.js";
import type { KeyValue, Range, Write } from "../../shared/key-value.js";
import { MemoryDisk } from "../sim/memory-key-value.js";

const talk = "1".repeat(32) as ConversationId;
const alice = "a".repeat(32) as UserId;
const bob = "b".repeat(32) as UserId;
const noteFor = (...users: UserId[]): Note => ({
  conversationId: talk,
  head: 1,
  users: new Map(users.map((user) => [user, null])),
});

describe("an inbox that is looked into again and again", () => {
  let ranges: number;
  let inboxes: InboxShard;
  /** What happens between a read and its answer. */
  let meanwhile: () => Promise<void>;
  let failing: boolean;

  beforeEach(() => {
    const kv = new MemoryDisk().open();
    ranges = 0;
    meanwhile = async () => {};
    failing = false;
    const watched: KeyValue = {
      get: (key) => kv.get(key),
      close: () => kv.close(),
      async range(range: Range) {
        ranges += 1;
        const rows = await kv.range(range);
        await meanwhile();
        return rows;
      },
      async batch(writes: readonly Write[], sync?: boolean) {
        await kv.batch(writes, sync);
        if (failing) throw new Error("nobody knows whether it was written");
      },
    };
    inboxes = new InboxShard(watched);
  });

  const look = async (user: UserId, after: number) => ({
    found: await inboxes.changes(user, after, 10),
    newest: await inboxes.newestStamp(user),
  });

  it("is not read where nothing was noted since", async () => {
    await inboxes.note([noteFor(alice)]);
    expect(await look(alice, 0)).toEqual({
      found: [{ stamp: 1, conversationId: talk }],
      newest: 1,
    });
    expect(await look(bob, 0)).toEqual({ found: [], newest: 0 });
    ranges = 0;
    expect(await look(alice, 1)).toEqual({ found: [], newest: 1 });
    expect(await look(bob, 0)).toEqual({ found: [], newest: 0 });
    expect(ranges).toBe(0);
    await inboxes.note([noteFor(bob)]);
    expect(await look(bob, 0)).toEqual({
      found: [{ stamp: 2, conversationId: talk }],
      newest: 2,
    });
  });

  it("has what was noted while it was read", async () => {
    meanwhile = () => inboxes.note([noteFor(alice)]);
    expect(await inboxes.newestStamp(alice)).toBe(0);
    expect(await look(alice, 0)).toMatchObject({ found: [{ stamp: 1 }] });
  });

  it("is read again after a write of which nobody knows the end", async () => {
    expect(await look(alice, 0)).toEqual({ found: [], newest: 0 });
    failing = true;
    await expect(inboxes.note([noteFor(alice)])).rejects.toThrow("nobody knows");
    expect(await look(alice, 0)).toMatchObject({ found: [{ stamp: 1 }], newest: 1 });
  });
});
