import { expect, it } from "vitest";
import type { LogChange } from "../../../relay/core/ports.js";
import type { Database } from "../../../relay/store/cassandra/database.js";
import { CassandraLogStore } from "../../../relay/store/cassandra/logs.js";
import type { Segment, Segments, SegmentWrite } from "../../../relay/store/cassandra/segments.js";
import { Serial } from "../../../relay/store/serial.js";
import { DovetailError } from "../../../shared/errors.js";
import type { ConversationId, UserId } from "../../../shared/ids.js";

const alice = "a".repeat(32) as UserId;
const [talk, other, third] = ["1", "2", "3"].map((digit) => digit.repeat(32)) as [
  ConversationId,
  ConversationId,
  ConversationId,
];

const opening = (conversationId: ConversationId): LogChange => ({
  ...{ conversationId, expectedHead: 0, opens: { kind: "notes" }, entries: [] },
  ...{ cursors: new Map(), spans: new Map(), invite: null, noted: [alice], crowd: null, events: 1 },
  group: { epoch: 0, restricted: false, members: [{ userId: alice, admin: false }] },
});

it("writes the others where one log cannot be reached and another one is there already", async () => {
  const database = {
    one: async () => null,
    all: async () => [],
    write: async () => {},
    cas: async () => ({ applied: true }),
  } as unknown as Database;
  const there: Segment = { base: 1, head: 0, first: 1, version: 1, pending: null };
  const written: ConversationId[] = [];
  const segments = {
    async newest(id: ConversationId): Promise<Segment | null> {
      if (id === talk) throw new DovetailError("storage_failed");
      return id === third ? there : null;
    },
    async write(id: ConversationId, _: Segment | null, write: SegmentWrite): Promise<Segment> {
      written.push(id);
      return { base: 1, version: 1, ...write };
    },
  } as unknown as Segments;
  const logs = new CassandraLogStore(database, segments, new Serial());
  expect(await logs.commit([talk, other, third].map(opening))).toMatchObject([
    { failed: { code: "storage_failed" } },
    { firstStamp: 1 },
    null,
  ]);
  expect(written).toEqual([other]);
});
