/** Compares a part of a log with what a client says of its own copy. */
import { sameBytes } from "../../shared/bytes.js";
import {
  blockOf,
  DIGEST_BLOCK,
  digestOfPairs,
  digestOfStretch,
  type Pair,
  piecesOf,
  placesOf,
  type Stretch,
} from "../../shared/digest.js";
import { MAX_DIGEST_PIECES } from "../../shared/limits.js";
import type { ClientFrame, RelayFrame } from "../../shared/protocol.js";
import type { Crypto } from "../../shared/runtime.js";
import { ENTRIES_PER_READ } from "./bounds.js";
import type { Peer } from "./connections.js";
import type { Conversation } from "./conversation.js";
import type { Conversations } from "./conversations.js";
import type { LogStore } from "./ports.js";
import { pieceFrom } from "./spans.js";

interface DigestContext {
  readonly conversations: Conversations;
  readonly logs: LogStore;
  readonly crypto: Crypto;
}

/** @throws DovetailError `not_found` or `not_a_member`. */
export async function compareLog(
  context: DigestContext,
  peer: Peer,
  frame: Extract<ClientFrame, { type: "compareLog" }>,
): Promise<RelayFrame> {
  const { conversationId, requestId, fromSeq, toSeq, digest } = frame;
  const conversation = await context.conversations.ofReader(conversationId, peer.userId);
  const spans = await context.conversations.spans(conversation, peer.userId);
  const { first, head } = conversation;
  const span = pieceFrom(spans, Math.max(1, fromSeq, first), head);
  if (!span || span.from > Math.min(toSeq, head)) {
    return { type: "compared", requestId, from: 1, to: 0, pieces: [] };
  }
  const { to: most } = placesOf(blockOf(span.from) + MAX_DIGEST_PIECES - 1);
  const stretch = { from: span.from, to: Math.min(toSeq, head, most, span.to ?? head) };
  const pieces: Uint8Array[] = [];
  for (const piece of piecesOf(stretch)) pieces.push(await digestOf(context, conversation, piece));
  const same =
    stretch.from === fromSeq && sameBytes(digestOfStretch(context.crypto, pieces), digest);
  return { type: "compared", requestId, ...stretch, pieces: same ? [] : pieces };
}

/** A whole block never changes again, so its digest is kept; what is not whole is read each time. */
async function digestOf(
  { logs, crypto }: DigestContext,
  { id }: Conversation,
  piece: Stretch,
): Promise<Uint8Array> {
  const whole = piece.to - piece.from + 1 === DIGEST_BLOCK;
  const known = whole ? await logs.digest(id, blockOf(piece.from)) : null;
  if (known) return known;
  const pairs: Pair[] = [];
  for (let next = piece.from; next <= piece.to; ) {
    const entries = await logs.entries(id, next, Math.min(ENTRIES_PER_READ, piece.to + 1 - next));
    pairs.push(...entries.filter(({ seq }) => seq <= piece.to));
    const last = entries.at(-1);
    if (!last) break;
    next = last.seq + 1;
  }
  const digest = digestOfPairs(crypto, pairs);
  // Meanwhile its beginning may have been forgotten.
  if (pairs.length === DIGEST_BLOCK) {
    // A full disk is no reason not to answer.
    await logs.keepDigest(id, blockOf(piece.from), digest).catch(() => undefined);
  }
  return digest;
}
