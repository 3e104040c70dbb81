import { blockOf, placesOf } from "../../shared/digest.js";
import type { ConversationId, DeviceId, UserId } from "../../shared/ids.js";
import {
  fromSortable,
  type KeyValue,
  sortable,
  under,
  type Write,
} from "../../shared/key-value.js";
import type { SequencedEntry } from "../../shared/protocol.js";
import { emptied, endOf } from "../core/lifetime.js";
import type {
  LogChange,
  Placed,
  StoredConversation,
  StoredCursor,
  StoredInvite,
} from "../core/ports.js";
import type { Span } from "../core/spans.js";
import type { Before } from "./log-commit.js";
import { keys, nullIfDamaged, rows } from "./rows.js";
import type { Serial } from "./serial.js";

export const lastPart = (key: string): string => key.slice(key.lastIndexOf("/") + 1);

export function cursorOf(key: string, stored: Uint8Array): StoredCursor {
  const { devices, ...cursor } = rows.cursor.decode(key, stored);
  return {
    ...cursor,
    devices: new Map(devices.map(({ deviceId, deliveredUpTo }) => [deviceId, deliveredUpTo])),
  };
}

/** The tables that stand with a log. Subclasses commit to them, and keep inboxes. */
export abstract class LogTables {
  protected readonly kv: KeyValue;
  /** Of all that reads rows and writes them again. */
  protected readonly serial: Serial;

  constructor(kv: KeyValue, serial: Serial) {
    this.kv = kv;
    this.serial = serial;
  }

  /** What was read while the store was failing may be out of date once it works again. */
  protected abstract forget(): void;

  async conversation(id: ConversationId): Promise<StoredConversation | null> {
    const key = keys.conversation(id);
    const stored = await this.kv.get(key);
    if (!stored) return null;
    // Before the head, so that a commit in between leaves no cursor beyond it.
    const cursorRows = await this.kv.range(under(keys.cursors(id)));
    const cursors = new Map(
      cursorRows.map((row) => [lastPart(row.key) as UserId, cursorOf(row.key, row.value)]),
    );
    const { kind, ...group } = rows.conversation.decode(key, stored);
    return {
      kind,
      group,
      head: await this.number(keys.head(id)),
      first: await this.#first(id),
      cursors,
    };
  }

  lastN(id: ConversationId, device: DeviceId): Promise<number> {
    return this.number(keys.lastN(id, device));
  }

  async entries(
    id: ConversationId,
    fromSeq: number,
    limit: number,
  ): Promise<readonly SequencedEntry[]> {
    const found = await this.kv.range({
      from: keys.entry(id, fromSeq),
      to: under(`entry/${id}/`).to,
      limit,
    });
    return found.map(({ key, value }) => ({
      seq: fromSortable(lastPart(key)),
      ...rows.entry.decode(key, value),
    }));
  }

  async digest(id: ConversationId, block: number): Promise<Uint8Array | null> {
    const key = keys.digest(id, block);
    const stored = await this.kv.get(key);
    return stored ? rows.digest.decode(key, stored) : null;
  }

  keepDigest(id: ConversationId, block: number, digest: Uint8Array): Promise<void> {
    return this.serial.run(async () => {
      // It may have been trimmed since the entries were read.
      if (placesOf(block).from < (await this.#first(id))) return;
      const value = rows.digest.encode(digest);
      await this.kv.batch([{ type: "put", key: keys.digest(id, block), value }], false);
    });
  }

  async byOrigin(
    id: ConversationId,
    device: DeviceId,
    fromN: number,
    toN: number,
  ): Promise<readonly Placed[]> {
    const found = await this.kv.range({
      from: keys.origin(id, device, fromN),
      to: keys.origin(id, device, toN),
    });
    const placed = await Promise.all(
      found.map(async ({ key, value }): Promise<Placed | null> => {
        const { seq } = rows.origin.decode(key, value);
        const entry = await this.#entry(id, seq);
        // It may have been trimmed since the row was read, which then says when it was appended.
        const at = entry?.at ?? rows.origin.decode(key, (await this.kv.get(key)) ?? value).at;
        return at === null ? null : { n: fromSortable(lastPart(key)), seq, at, entry };
      }),
    );
    return placed.filter((each) => each !== null);
  }

  async spans(id: ConversationId, user: UserId): Promise<readonly Span[]> {
    const key = keys.spans(id, user);
    const stored = await this.kv.get(key);
    return stored ? rows.spans.decode(key, stored) : [];
  }

  async allSpans(id: ConversationId): Promise<ReadonlyMap<UserId, readonly Span[]>> {
    const found = await this.kv.range(under(keys.allSpans(id)));
    return new Map(
      found.map(({ key, value }) => [lastPart(key) as UserId, rows.spans.decode(key, value)]),
    );
  }

  eraseExpired(now: number, limit: number): Promise<number> {
    return this.serial.run(async () => {
      const due = await this.kv.range({
        from: "expiry/",
        to: `expiry/${sortable(now + 1)}`,
        limit,
      });
      const erased = await Promise.all(
        due.map(async ({ key }): Promise<Write[]> => {
          const [, , id, place] = key.split("/") as [string, string, ConversationId, string];
          const seq = fromSortable(place);
          const entry = await this.#entry(id, seq).catch(nullIfDamaged);
          const done: Write = { type: "del", key };
          if (!entry) return [done];
          const value = rows.entry.encode(emptied(entry));
          return [done, { type: "put", key: keys.entry(id, seq), value }];
        }),
      );
      if (due.length > 0) await this.kv.batch(erased.flat());
      return due.length;
    });
  }

  trim(id: ConversationId, first: number): Promise<void> {
    return this.serial.run(async () => {
      const from = await this.#first(id);
      const gone = await this.kv.range({ from: keys.entry(id, from), to: keys.entry(id, first) });
      const digests = await this.kv.range({
        from: keys.digest(id, 0),
        to: keys.digest(id, blockOf(first - 1) + 1),
      });
      const writes = gone.flatMap(({ key, value }): Write[] => {
        const seq = fromSortable(lastPart(key));
        const entry = rows.entry.decode(key, value);
        const origin = rows.origin.encode({ seq, at: entry.at });
        const dueAt = endOf(entry);
        return [
          { type: "del", key },
          { type: "put", key: keys.origin(id, entry.deviceId, entry.n), value: origin },
          ...(dueAt === null ? [] : [{ type: "del", key: keys.expiry(dueAt, id, seq) } as const]),
        ];
      });
      if (first <= from) return;
      for (const { key } of digests) writes.push({ type: "del", key });
      const value = rows.number.encode(first);
      await this.kv.batch([...writes, { type: "put", key: keys.first(id), value }]);
    });
  }

  async conversationsAfter(
    id: ConversationId | null,
    limit: number,
  ): Promise<readonly ConversationId[]> {
    const all = under("conversation/");
    // Nothing sorts between a key and itself with a `~`, nor after that before the next key.
    const from = id ? `${keys.conversation(id)}~` : all.from;
    const found = await this.kv.range({ from, to: all.to, limit });
    return found.map(({ key }) => lastPart(key) as ConversationId);
  }

  checkWritable(): Promise<void> {
    return this.serial.run(async () => {
      this.forget();
      await this.kv.batch([{ type: "put", key: keys.probe, value: rows.number.encode(0) }]);
    });
  }

  /** What a change needs to know before it can be written. `head`: where that is known. */
  protected async before(change: LogChange, head: number | null): Promise<Before> {
    const id = change.conversationId;
    const stored = head === null || change.group ? await this.kv.get(keys.conversation(id)) : null;
    const cursors = new Map<UserId, StoredCursor>();
    for (const user of change.cursors.keys()) {
      const key = keys.cursor(id, user);
      const cursor = await this.kv.get(key);
      if (cursor) cursors.set(user, cursorOf(key, cursor));
    }
    return {
      exists: head !== null || stored !== undefined,
      head: head ?? (await this.number(keys.head(id))),
      cursors,
      kind: stored ? rows.conversation.decode(keys.conversation(id), stored).kind : null,
      invite: change.invite && (await this.#invite(change.invite.code)),
    };
  }

  protected async number(key: string): Promise<number> {
    const stored = await this.kv.get(key);
    return stored ? rows.number.decode(key, stored) : 0;
  }

  async #entry(id: ConversationId, seq: number): Promise<SequencedEntry | null> {
    const key = keys.entry(id, seq);
    const stored = await this.kv.get(key);
    return stored ? { seq, ...rows.entry.decode(key, stored) } : null;
  }

  async #invite(code: string): Promise<StoredInvite | null> {
    const stored = await this.kv.get(keys.invite(code));
    return stored ? rows.invite.decode(keys.invite(code), stored) : null;
  }

  async #first(id: ConversationId): Promise<number> {
    return (await this.number(keys.first(id))) || 1;
  }
}
