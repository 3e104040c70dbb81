/**
 * Digests of a log's (seq, origin) pairs, by which a device and its relay find out whether their
 * copies of a log are the same. The log is cut into blocks of {@link DIGEST_BLOCK} places; each has a
 * digest, and over the digests of a stretch of blocks there is one more. So two equal logs compare by
 * one hash a stretch, and two that differ by one hash a block.
 */
import { concat, fromHex, utf8 } from "./bytes.js";
import { encode, struct, uint } from "./codec.js";
import type { Origin } from "./ids.js";
import type { Crypto } from "./runtime.js";

/** Places of a log in one block: a differing one is fetched anew by two pages at the most. */
export const DIGEST_BLOCK = 256;

/** An entry's place and name, which is all that a digest is about. */
export interface Pair extends Origin {
  readonly seq: number;
}

/** A part of a log; both ends are in it. */
export interface Stretch {
  readonly from: number;
  readonly to: number;
}

const place = struct({ seq: uint(), n: uint() });
const BLOCK_TITLE = utf8("dovetail block v1\0");
const STRETCH_TITLE = utf8("dovetail stretch v1\0");

/** The block in which a place of the log is: the first has the number 0. */
export const blockOf = (seq: number): number => Math.floor((seq - 1) / DIGEST_BLOCK);

export const placesOf = (block: number): Stretch => ({
  from: block * DIGEST_BLOCK + 1,
  to: (block + 1) * DIGEST_BLOCK,
});

/** The stretch cut where blocks begin; its first and last piece may be less than a block. */
export function piecesOf({ from, to }: Stretch): Stretch[] {
  const pieces: Stretch[] = [];
  for (let next = from; next <= to; next = (pieces.at(-1) as Stretch).to + 1) {
    pieces.push({ from: next, to: Math.min(to, placesOf(blockOf(next)).to) });
  }
  return pieces;
}

/** Of one block or a piece of it. In the order of their places. */
export const digestOfPairs = ({ sha256 }: Pick<Crypto, "sha256">, pairs: Iterable<Pair>) =>
  sha256(
    concat(
      BLOCK_TITLE,
      ...[...pairs].flatMap(({ seq, deviceId, n }) => [
        fromHex(deviceId),
        encode(place, { seq, n }),
      ]),
    ),
  );

/** Of a stretch, from the digests of its pieces. */
export const digestOfStretch = (
  { sha256 }: Pick<Crypto, "sha256">,
  pieces: readonly Uint8Array[],
): Uint8Array => sha256(concat(STRETCH_TITLE, ...pieces));
