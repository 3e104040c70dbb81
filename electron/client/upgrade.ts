/**
 * Profiles that an older Dovetail wrote. Rows go to keys that the older one did not use, each written
 * in the batch that deletes the old one: so an upgrade that is cut off goes on where it was.
 */
import {
  bool,
  bytes,
  conversationId,
  decode,
  deviceId,
  type Field,
  fixed,
  type Infer,
  list,
  oneOf,
  optional,
  struct,
  text,
  uint,
  userId,
} from "../../shared/codec.js";
import { DovetailError } from "../../shared/errors.js";
import type { ConversationId } from "../../shared/ids.js";
import { type KeyValue, under, type Write } from "../../shared/key-value.js";
import {
  MAX_HOLDERS,
  MAX_MEMBERS,
  MAX_PAYLOAD_BYTES,
  MAX_TEXT_BYTES,
} from "../../shared/limits.js";
import { SIGNATURE_BYTES } from "../../shared/protocol.js";
import {
  conversationRow,
  draftRow,
  keys,
  logRow,
  membersRow,
  SCHEMA_VERSION,
  schemaRow,
  seqOfKey,
  tailRow,
} from "./rows.js";

/** Rows in one batch. */
const STEP = 500;

const seq = uint();
const floor = oneOf("none", "delivered", "read");

/** The rows of schema 1. */
const old = {
  conversation: struct({
    conversationId,
    kind: oneOf("direct", "group", "notes"),
    members: list(struct({ userId, deliveredUpTo: seq, readUpTo: seq }), MAX_MEMBERS),
    head: seq,
    upTo: seq,
    readUpTo: seq,
    nextN: uint(),
    unread: uint(),
    activity: uint(),
  }),
  draft: text(MAX_TEXT_BYTES),
  log: struct({
    userId,
    deviceId,
    n: uint(),
    at: uint(),
    direct: bool,
    floor,
    payload: bytes(MAX_PAYLOAD_BYTES),
  }),
  tail: struct({
    userId,
    deviceId,
    n: uint(),
    seq,
    at: uint(),
    direct: bool,
    floor,
    read: bool,
    signature: optional(fixed(SIGNATURE_BYTES)),
    heldBy: list(struct({ userId, deviceId }), MAX_HOLDERS),
    payload: bytes(MAX_PAYLOAD_BYTES),
  }),
} as const;

/** A draft that was never told to other devices gives way to any that was. */
const UNTOLD = "";

/** @throws DovetailError `profile_corrupt`. */
export async function upgrade(store: KeyValue): Promise<void> {
  await each(store, "conversation/", old.conversation, (row) => {
    const id = row.conversationId;
    const members = row.members.map((member) => ({ ...member, admin: false }));
    const accepted = row.nextN > 1;
    const now = { ...row, mentioned: false, epoch: 0, restricted: false, orphans: 0, accepted };
    return [
      put(keys.membersOf(id), membersRow.encode(members)),
      put(keys.conversation(id), conversationRow.encode(now)),
    ];
  });
  await each(store, "log/", old.log, (row, key) => {
    const id = key.split("/")[1] as ConversationId;
    const value = logRow.encode({
      ...row,
      ttl: 0,
      marks: null,
      rights: "change",
      membership: null,
    });
    return [put(keys.shown(id, seqOfKey(key)), value)];
  });
  await each(store, "tail/", old.tail, (row, key) => {
    const id = key.split("/")[1] as ConversationId;
    return [put(keys.tail(id, row), tailRow.encode({ ...row, ttl: 0, marks: null }))];
  });
  const drafts = await store.range(under(keys.drafts));
  await store.batch([
    ...drafts.map(({ key, value }) =>
      put(key, draftRow.encode({ writing: UNTOLD, text: read(old.draft, value) })),
    ),
    put(keys.schema, schemaRow.encode(SCHEMA_VERSION)),
  ]);
}

const put = (key: string, value: Uint8Array): Write => ({ type: "put", key, value });

async function each<F extends Field<unknown>>(
  store: KeyValue,
  prefix: string,
  field: F,
  write: (row: Infer<F>, key: string) => Write[],
): Promise<void> {
  for (;;) {
    const rows = await store.range({ ...under(prefix), limit: STEP });
    if (rows.length === 0) return;
    await store.batch(
      rows.flatMap(({ key, value }): Write[] => [
        { type: "del", key },
        ...write(read(field, value) as Infer<F>, key),
      ]),
    );
  }
}

function read<T>(field: Field<T>, value: Uint8Array): T {
  try {
    return decode(field, value);
  } catch (cause) {
    throw new DovetailError("profile_corrupt", "The profile's rows cannot be read.", { cause });
  }
}
