import fc from "fast-check";
import { expect, it } from "vitest";
import { toHex } from "../../shared/bytes.js";
import {
  blockOf,
  DIGEST_BLOCK,
  digestOfPairs,
  digestOfStretch,
  type Pair,
  piecesOf,
  placesOf,
} from "../../shared/digest.js";
import { idFromBytes } from "../../shared/ids.js";
import { nodeCrypto } from "../../shared/node/runtime.js";

const device = fc
  .uint8Array({ minLength: 16, maxLength: 16 })
  .map((raw) => idFromBytes<never>(raw));
const pair: fc.Arbitrary<Pair> = fc.record({
  seq: fc.maxSafeNat(),
  deviceId: device,
  n: fc.maxSafeNat(),
});
const of = (pairs: readonly Pair[]) => toHex(digestOfPairs(nodeCrypto, pairs));
const stretch = fc
  .tuple(fc.integer({ min: 1, max: 5_000 }), fc.integer({ min: 0, max: 3_000 }))
  .map(([from, more]) => ({ from, to: from + more }));

it("cuts a stretch without a hole where blocks begin, and nowhere else", () => {
  fc.assert(
    fc.property(stretch, ({ from, to }) => {
      const pieces = piecesOf({ from, to });
      expect(pieces[0]?.from).toBe(from);
      expect(pieces.at(-1)?.to).toBe(to);
      for (const [i, piece] of pieces.entries()) {
        expect(blockOf(piece.from)).toBe(blockOf(piece.to));
        const next = pieces[i + 1];
        if (!next) continue;
        expect(next.from).toBe(piece.to + 1);
        expect(next.from % DIGEST_BLOCK).toBe(1);
      }
    }),
  );
});

it("numbers blocks from the first place of a log on", () => {
  expect([1, 256, 257, 512, 513].map(blockOf)).toEqual([0, 0, 1, 1, 2]);
  expect(placesOf(1)).toEqual({ from: 257, to: 512 });
  expect(piecesOf({ from: 5, to: 4 })).toEqual([]);
});

it("differs where one place or name differs, and only there", () => {
  fc.assert(
    fc.property(
      fc.array(pair, { minLength: 1, maxLength: 20 }),
      fc.nat(),
      pair,
      (pairs, at, other) => {
        expect(of(structuredClone(pairs))).toBe(of(pairs));
        const i = at % pairs.length;
        expect(of(pairs.toSpliced(i, 1))).not.toBe(of(pairs));
        const known = pairs[i] as Pair;
        fc.pre(known.seq !== other.seq && known.n !== other.n && known.deviceId !== other.deviceId);
        for (const part of [{ seq: other.seq }, { n: other.n }, { deviceId: other.deviceId }]) {
          expect(of(pairs.with(i, { ...known, ...part }))).not.toBe(of(pairs));
        }
      },
    ),
  );
});

it("stays what it was: kept digests and other versions are compared with it", () => {
  const pairs = [1, 2, 300].map((seq) => ({
    seq,
    deviceId: "ab".repeat(16) as never,
    n: seq * 100,
  }));
  const piece = digestOfPairs(nodeCrypto, pairs);
  expect(toHex(piece)).toMatchInlineSnapshot(
    `"d9a651c986b38244539e6be2cdd75500b75cf3b8e448ce073e0c8eaba8c73ef9"`,
  );
  expect(toHex(digestOfStretch(nodeCrypto, [piece, piece]))).toMatchInlineSnapshot(
    `"3016673eb1b1eacb78c32e7527a154887329794ae6f635ae0718c377fbceb01a"`,
  );
});
