/** How large one message is on the wire and on the disk, from the codecs themselves. */
import { encodeContent } from "../../electron/client/content.js";
import { LONGEST_HEARTBEAT_MS } from "../../electron/client/relay-link.js";
import { keys, rows } from "../../relay/store/rows.js";
import type { ConversationId, DeviceId, UserId } from "../../shared/ids.js";
import {
  type ClientFrame,
  clientFrames,
  type RelayFrame,
  relayFrames,
} from "../../shared/protocol.js";

const conversationId = "c0".repeat(16) as ConversationId;
const userId = "a0".repeat(16) as UserId;
const deviceId = "d0".repeat(16) as DeviceId;
/** As large as numbers grow in years of use: the codec writes small ones shorter. */
const seq = 100_000;
const stamp = 5_000_000;
const at = 1_800_000_000_000;

/** Of WebSocket (2 to the client, 6 from it, RFC 6455 §5.2), TLS 1.3 (22) and TCP/IP (40). */
const CARRIAGE = 68;

/** Seconds between two pings of a client, each of which is answered. The relay asks only who says nothing. */
export const PINGS_S = LONGEST_HEARTBEAT_MS / 1_000;

/** Bytes for one message. */
interface Carried {
  /** What its sender's relay gets, and answers. */
  readonly append: number;
  readonly appended: number;
  /** For each device that is told of it. */
  readonly told: number;
  /** A move of one recipient's cursors, and telling one device of it. */
  readonly moveCursors: number;
  readonly cursors: number;
}

export interface Sizes {
  /** By the relay, one to an append. */
  readonly relayed: Carried;
  /** Where all had it directly: several share an append, a receipt, and what tells of their places. */
  readonly direct: Carried;
  /** Bytes a second of a connection at rest. */
  readonly idle: { readonly inward: number; readonly outward: number };
  /** Keys and values that one message leaves in the store for good, once. */
  readonly stored: number;
}

const sent = (frame: ClientFrame): number => clientFrames.encode(frame).length + CARRIAGE;
const told = (frame: RelayFrame): number => relayFrames.encode(frame).length + CARRIAGE;

export function sizesOf(characters: number, batch: number): Sizes {
  const payload = encodeContent({
    clock: { wall: at, counter: 0 },
    sentAt: at,
    body: { type: "text", text: "x".repeat(characters) },
  });
  const entry = {
    ...{ seq, userId, deviceId, n: seq, at, ttl: 0, payload },
    ...{ rights: "change" as const, membership: null },
  };
  const handedIn = { deviceId, n: seq, ttl: 0, signature: null, payload };
  const place = { seq, at, rights: "change" as const };
  const cursor = { deliveredUpTo: seq, readUpTo: seq };
  const carried = (count: number, isTold: RelayFrame): Carried => ({
    append:
      sent({
        ...{ type: "append", requestId: 1, conversationId, heldBy: count > 1 ? [deviceId] : [] },
        entries: Array.from({ length: count }, () => handedIn),
      }) / count,
    appended:
      told({ type: "appended", requestId: 1, places: Array.from({ length: count }, () => place) }) /
      count,
    told: told(isTold) / count,
    moveCursors: sent({ type: "moveCursors", requestId: 1, conversationId, ...cursor }) / count,
    cursors: told({ type: "cursors", stamp, conversationId, userId, ...cursor }) / count,
  });
  const placements = Array.from({ length: batch }, () => ({ ...place, deviceId, n: seq }));
  const beat = { nonce: seq };
  const row = (key: string, value: Uint8Array): number => key.length + value.length;
  return {
    relayed: carried(1, { type: "entries", stamp, conversationId, entries: [entry] }),
    direct: carried(batch, { type: "placed", stamp, conversationId, placements }),
    idle: {
      inward: sent({ type: "ping", ...beat }) / PINGS_S,
      outward: told({ type: "pong", ...beat }) / PINGS_S,
    },
    stored:
      row(keys.entry(conversationId, seq), rows.entry.encode(entry)) +
      row(keys.origin(conversationId, deviceId, seq), rows.origin.encode({ seq, at: null })),
  };
}
