/** The frames that two devices exchange on a direct channel. */
import {
  bool,
  bytes,
  conversationId,
  deviceId,
  fixed,
  frameFamily,
  list,
  oneOf,
  struct,
  uint,
} from "../../shared/codec.js";
import { MAX_ENTRIES, MAX_PAYLOAD_BYTES } from "../../shared/limits.js";
import { SIGNATURE_BYTES, sequencedEntry } from "../../shared/protocol.js";

const n = uint();
/** Entries in one page of history between the devices of one user. */
export const MAX_PAGE_ENTRIES = 512;

export const directFrames = frameFamily({
  /** An entry of the sending device, signed over `entryBytes`. Answer: `stored` or `declined`. */
  entry: [
    1,
    {
      conversationId,
      n,
      /** Seconds until it disappears; 0 for never. */
      ttl: uint(0xffff_ffff),
      payload: bytes(MAX_PAYLOAD_BYTES),
      signature: fixed(SIGNATURE_BYTES),
    },
  ],
  /** These entries are on disk here. */
  stored: [2, { conversationId, ns: list(n, MAX_ENTRIES) }],
  /** This entry was not stored and will not be: it has to come by the relay. */
  declined: [3, { conversationId, n }],
  /** The sender's user has read the log up to there, and these devices' entries up to those. */
  read: [
    4,
    { conversationId, readUpTo: uint(), origins: list(struct({ deviceId, n }), MAX_ENTRIES) },
  ],
  typing: [5, { conversationId, active: bool }],
  /** Between the devices of one user: entries of a log from a place on. Answer: `logPage`. */
  getLog: [
    6,
    {
      request: uint(),
      conversationId,
      fromSeq: n,
      /** How many entries have come in this way, and how many are to come in all. */
      done: n,
      total: n,
    },
  ],
  /** Without a hole between them; none where there is nothing from that place on. */
  logPage: [
    7,
    {
      request: uint(),
      conversationId,
      first: n,
      entries: list(sequencedEntry, MAX_PAGE_ENTRIES),
    },
  ],
  ping: [10, {}],
  pong: [11, {}],
  /** The sender closes the channel: with `unwanted` it does not want another one for now. */
  goodbye: [12, { reason: oneOf("idle", "unwanted", "closing") }],
});
export type DirectFrame = ReturnType<typeof directFrames.decode>;
