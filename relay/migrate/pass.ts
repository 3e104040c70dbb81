/** One passage over all of the embedded store, which brings what is not in Cassandra yet. */
import { DovetailError } from "../../shared/errors.js";
import type { ConversationId, UserId } from "../../shared/ids.js";
import type { KeyValue } from "../../shared/key-value.js";
import type { Filling } from "../store/cassandra/filling.js";
import { compareInbox, compareLog } from "./compare.js";
import { logUnits, segmentsOf } from "./log-units.js";
import { conversationsOf, type Source, usersOf } from "./source.js";
import { codeUnits, inboxUnit, userUnit } from "./user-units.js";

/** Logs, or users, that are on their way at once. */
const CONCURRENCY = 8;

export interface Copied {
  readonly logs: number;
  readonly entries: number;
  readonly users: number;
  /** Logs that were written in this pass, all or a part of them. */
  readonly written: number;
}

/** Kinds of rows that are copied, or that the copy does without: digests are made again. */
const KNOWN = new Set(
  (
    "conversation head first last entry digest origin cursor span link-of link link-at pending inbox " +
    "inbox-at group-of crowd-of crowd-at expiry user handle device devices seen block invite code meta"
  ).split(" "),
);

/**
 * Copies what changed since the pass before, and compares each log and inbox of which anything was
 * copied with what Cassandra gives of it. What did not change since was compared then.
 * @throws DovetailError `profile_corrupt` where something here cannot be read, `storage_failed`.
 */
export async function copyAll(source: Source, filling: Filling, done: KeyValue): Promise<Copied> {
  await refuseUnknown(source);
  await filling.beginPass();
  const target = filling.store;
  let logs = 0;
  let entries = 0;
  let segments = 0;
  let written = 0;
  await each(conversationsOf(source), async (id) => {
    const conversation = await source.store.logs.conversation(id);
    if (!conversation) throw new DovetailError("profile_corrupt", `The log ${id} is missing.`);
    const wrote = await compared(done, `same/log/${id}`, async (begin) => {
      for await (const unit of logUnits(source, id, conversation)) {
        await begin(filling.has(unit));
        await filling.write(unit);
      }
      return () => compareLog(source, target, id);
    });
    logs += 1;
    segments += segmentsOf(conversation);
    entries += Math.max(0, conversation.head - conversation.first + 1);
    if (wrote) written += 1;
  });
  let users = 0;
  let devices = 0;
  let inboxes = 0;
  await each(usersOf(source), async (user) => {
    const copied = await userUnit(source, user);
    await filling.write(copied.unit);
    await compared(done, `same/inbox/${user}`, async (begin) => {
      const unit = await inboxUnit(source, user);
      inboxes += Math.max(1, unit.statements.length - 1);
      await begin(filling.has(unit));
      await filling.write(unit);
      return () => compareInbox(source, target, user);
    });
    users += 1;
    devices += copied.devices;
  });
  for await (const unit of codeUnits(source)) await filling.write(unit);
  await filling.count({ segments, users, handles: users, devices, inboxes });
  return { logs, entries, users, written };
}

/**
 * Compares after something was written, and until that has come to its end. Whether something was.
 * A mark that they are the same is taken away before the first write.
 */
async function compared(
  done: KeyValue,
  mark: string,
  copy: (begin: (known: Promise<boolean>) => Promise<void>) => Promise<() => Promise<void>>,
): Promise<boolean> {
  let isSame = (await done.get(mark)) !== undefined;
  const compare = await copy(async (known) => {
    if (!isSame || (await known)) return;
    await done.batch([{ type: "del", key: mark }]);
    isSame = false;
  });
  if (isSame) return false;
  await compare();
  await done.batch([{ type: "put", key: mark, value: new Uint8Array(1) }], false);
  return true;
}

async function each<T extends ConversationId | UserId>(
  all: AsyncIterable<T>,
  visit: (id: T) => Promise<void>,
): Promise<void> {
  const ids = all[Symbol.asyncIterator]();
  const one = async (): Promise<void> => {
    for (;;) {
      const { value, done } = await ids.next();
      if (done) return;
      await visit(value);
    }
  };
  const results = await Promise.allSettled(Array.from({ length: CONCURRENCY }, one));
  for (const result of results) if (result.status === "rejected") throw result.reason;
}

/** Nothing is left out because it was not thought of here. */
async function refuseUnknown({ stores }: Source): Promise<void> {
  for (const { kv } of stores) {
    for (let from = ""; ; ) {
      const [row] = await kv.range({ from, to: "~", limit: 1 });
      if (!row) break;
      const kind = row.key.split("/", 1)[0] ?? "";
      if (!KNOWN.has(kind)) {
        throw new DovetailError("profile_corrupt", `The row ${row.key} is of no kind known here.`);
      }
      from = `${kind}/~`;
    }
  }
}
