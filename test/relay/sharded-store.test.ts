import { beforeEach, describe, expect, it } from "vitest";
import type { LogChange, RelayStore } from "../../relay/core/ports.js";
import { type Folder, openDirectory, openFolder } from "../../relay/store/sharded/folder.js";
import { FOLDERS, folderOf } from "../../relay/store/sharded/folders.js";
import type { Note } from "../../relay/store/sharded/inbox-shard.js";
import { byFolder, notesIn, ShardedRelayStore } from "../../relay/store/sharded/sharded-store.js";
import { DovetailError } from "../../shared/errors.js";
import type { ConversationId, DeviceId, UserId } from "../../shared/ids.js";
import { type KeyValue, under } from "../../shared/key-value.js";
import { relayStoreContract } from "../contracts/relay-store.js";
import { MemoryDisk } from "../sim/memory-key-value.js";

/** Every folder on a disk of its own; while `away` nobody reaches the inboxes of that folder. */
class Disks {
  readonly disks = Array.from({ length: FOLDERS + 1 }, () => new MemoryDisk());
  away: number | null = null;
  readonly noted: Note[] = [];
  /** By the last opening. */
  opened: readonly Folder[] = [];

  async open(): Promise<RelayStore> {
    // The end of a process, which keeps what the machine has taken.
    for (const disk of this.disks) disk.crash((batches) => batches);
    const kvs = this.disks.map((disk) => disk.open());
    const directory = openDirectory(kvs.at(-1) as KeyValue);
    const folders: Folder[] = [];
    const all = { directory, folder: (i: number) => folders[i] as Folder, own: [...kvs.keys()] };
    const tell = async (notes: readonly Note[]): Promise<ReadonlyMap<Note, unknown>> => {
      const lost = notesIn(notes, (folder) => folder === this.away);
      const told = notes.filter((note) => !lost.includes(note));
      this.noted.push(...told);
      for (const [index, some] of byFolder(told)) await folders[index]?.inboxes.note(some);
      return new Map(lost.map((note) => [note, new DovetailError("overloaded")]));
    };
    for (let i = 0; i < FOLDERS; i++) folders.push(await openFolder(kvs[i] as KeyValue, tell));
    this.opened = folders;
    return new ShardedRelayStore({ ...all, own: all.own.slice(0, FOLDERS) });
  }
}

relayStoreContract("A store in folders", async () => {
  const disks = new Disks();
  return { store: await disks.open(), reopen: () => disks.open() };
});

describe("a log whose members' inboxes are in other folders", () => {
  const talk = "1".repeat(32) as ConversationId;
  const other = "2".repeat(32) as ConversationId;
  const alice = "a".repeat(32) as UserId;
  const bob = "b".repeat(32) as UserId;
  const change = (wanted: Partial<LogChange>): LogChange => ({
    conversationId: talk,
    expectedHead: 0,
    opens: null,
    entries: [],
    cursors: new Map(),
    group: null,
    spans: new Map(),
    invite: null,
    noted: [alice, bob],
    crowd: null,
    events: 1,
    ...wanted,
  });
  const members = [alice, bob].map((userId) => ({ userId, admin: true }));
  const opening = (wanted: Partial<LogChange> = {}): LogChange =>
    change({
      opens: { kind: "group" },
      group: { epoch: 0, restricted: false, members },
      spans: new Map([
        [alice, [{ from: 1, to: null }]],
        [bob, [{ from: 1, to: null }]],
      ]),
      ...wanted,
    });
  const entry = (seq: number) => ({
    ...{ seq, n: seq, at: seq, userId: alice, deviceId: "d".repeat(32) as DeviceId, ttl: 0 },
    ...{ rights: "change" as const, membership: null, payload: new Uint8Array(1) },
  });
  const refused = [{ failed: { code: "overloaded" } }];
  let disks: Disks;
  beforeEach(() => {
    disks = new Disks();
  });

  it("is not committed before its members can find it", async () => {
    const store = await disks.open();
    disks.away = folderOf(bob);
    expect(await store.logs.commit([opening()])).toMatchObject(refused);
  });

  it("is committed where only others cannot be told", async () => {
    const store = await disks.open();
    disks.away = folderOf(bob);
    const alone = {
      group: { epoch: 0, restricted: false, members: members.slice(0, 1) },
      spans: new Map([[alice, [{ from: 1, to: null }]]]),
      noted: [alice],
    };
    const mine = opening({ conversationId: other, ...alone });
    expect(await store.logs.commit([opening(), mine])).toMatchObject([
      ...refused,
      { firstStamp: 0 },
    ]);
    expect(await store.logs.groupsOf(alice)).toEqual([other]);
  });

  it("tells them before it is given out, when somebody looks again", async () => {
    const store = await disks.open();
    disks.away = folderOf(bob);
    expect(await store.logs.commit([opening()])).toMatchObject(refused);
    await expect(store.logs.conversation(talk)).rejects.toMatchObject({ code: "overloaded" });
    disks.away = null;
    expect(await store.logs.conversation(talk)).not.toBeNull();
    expect(await store.logs.newestStamp(bob)).toBeGreaterThan(0);
    expect(await store.logs.groupsOf(bob)).toEqual([talk]);
  });

  it("tells them after a crash in between", async () => {
    const store = await disks.open();
    disks.away = folderOf(bob);
    expect(await store.logs.commit([opening()])).toMatchObject(refused);
    disks.away = null;
    const again = await disks.open();
    expect(await again.logs.newestStamp(bob)).toBe(0);
    await again.logs.conversation(talk);
    expect(await again.logs.groupsOf(bob)).toEqual([talk]);
    expect(await again.logs.newestStamp(bob)).toBeGreaterThan(0);
  });

  it("tells them before anything else is written to it", async () => {
    const store = await disks.open();
    await store.logs.commit([opening()]);
    disks.away = folderOf(bob);
    expect(await store.logs.commit([change({ entries: [entry(1)] })])).toMatchObject(refused);
    expect(
      await store.logs.commit([change({ expectedHead: 1, entries: [entry(2)] })]),
    ).toMatchObject(refused);
    disks.away = null;
    expect(await store.logs.commit([change({ expectedHead: 1, entries: [entry(2)] })])).toEqual([
      { firstStamp: 0 },
    ]);
    expect(disks.noted.map(({ head }) => head)).toEqual([0, 1, 2]);
  });

  it("keeps no list of those who were told, but for the last", async () => {
    const store = await disks.open();
    const [first, second] = [talk, other].map((conversationId) => ({ conversationId }));
    // Twice, because each batch takes away what the one before has left.
    for (let head = 0; head < 3; head++) {
      const open = head === 0 ? opening : change;
      await store.logs.commit([open({ ...first, expectedHead: head, entries: [entry(head + 1)] })]);
    }
    await store.logs.commit([opening({ ...second, entries: [entry(1)] })]);
    const lists = disks.disks.flatMap((disk) => disk.present(under("pending/")));
    expect(lists.length).toBeLessThanOrEqual(folderOf(talk) === folderOf(other) ? 1 : 2);
  });

  it("does not make somebody a member again by an older change that comes late", async () => {
    const store = await disks.open();
    await store.logs.commit([opening({ entries: [entry(1)] })]);
    const late = [...disks.noted];
    await store.logs.commit([
      change({
        expectedHead: 1,
        entries: [entry(2)],
        group: { epoch: 1, restricted: false, members: members.slice(0, 1) },
        spans: new Map([[bob, [{ from: 1, to: 1 }]]]),
      }),
    ]);
    expect(await store.logs.groupsOf(bob)).toEqual([]);
    const bobsPart = late.map((note) => ({ ...note, users: new Map([[bob, true]]) }));
    await disks.opened[folderOf(bob)]?.inboxes.note(bobsPart);
    expect(await store.logs.groupsOf(bob)).toEqual([]);
  });
});
