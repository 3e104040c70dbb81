import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromHex, toHex } from "../../shared/bytes.js";
import type { FrameFamily } from "../../shared/codec.js";
import { DovetailError } from "../../shared/errors.js";
import { MAX_PAYLOAD_BYTES } from "../../shared/limits.js";
import {
  type ClientFrame,
  clientFrames,
  type RelayFrame,
  relayFrames,
} from "../../shared/protocol.js";
import { clientFrame, relayFrame } from "./frames.js";

/** A frame and its bytes in hexadecimal digits; byte strings inside the frame as `0x…`. */
interface Vector {
  readonly hex: string;
  readonly frame: unknown;
}

/** One frame of each type: how it looked on the wire when this version was fixed. */
const vectors = JSON.parse(readFileSync(new URL("vectors.json", import.meta.url), "utf8")) as {
  client: Record<string, Vector>;
  relay: Record<string, Vector>;
};

const asJson = (frame: unknown): unknown =>
  JSON.parse(
    JSON.stringify(frame, (_key, value: unknown) =>
      value instanceof Uint8Array ? `0x${toHex(value)}` : value,
    ),
  );

/** What was read, or null where it was refused as the protocol says. */
function readOrRefused<F>(family: FrameFamily<F>, bytes: Uint8Array): F | null {
  try {
    return family.decode(bytes);
  } catch (error) {
    expect(error).toBeInstanceOf(DovetailError);
    expect((error as DovetailError).code).toBe("malformed_frame");
    return null;
  }
}

const sides = [
  {
    side: "client" as const,
    family: clientFrames as FrameFamily<{ type: string }>,
    any: clientFrame as Record<string, fc.Arbitrary<{ type: string }>>,
  },
  {
    side: "relay" as const,
    family: relayFrames as FrameFamily<{ type: string }>,
    any: relayFrame as Record<string, fc.Arbitrary<{ type: string }>>,
  },
];

describe.each(sides)("the frames of a $side", ({ side, family, any }) => {
  const anyFrame = fc.oneof(...Object.values(any));

  it("has a frozen vector of each type, and no other", () => {
    // A type that is not in here has no property test either.
    expect(Object.keys(vectors[side]).sort()).toEqual(Object.keys(any).sort());
    for (let tag = 0; tag < 256; tag++) {
      const known = Object.values(vectors[side]).some(({ hex }) => fromHex(hex)[0] === tag);
      if (known) continue;
      expect(() => family.decode(Uint8Array.of(tag))).toThrow("an unknown kind of frame");
    }
  });

  it.each(Object.keys(vectors[side]))("%s reads and writes its frozen vector", (type) => {
    const vector = vectors[side][type] as Vector;
    const frame = family.decode(fromHex(vector.hex));
    // The values too: two fields of one kind that changed places would write the same bytes.
    expect(asJson(frame)).toEqual(vector.frame);
    expect(toHex(family.encode(frame))).toBe(vector.hex);
  });

  it.each(Object.entries(any))("%s comes back as it was sent", (_type, frames) => {
    fc.assert(
      fc.property(frames, (frame) => {
        expect(family.decode(family.encode(frame))).toEqual(frame);
      }),
    );
  });

  it("refuses every truncation, and anything that follows", () => {
    fc.assert(
      fc.property(anyFrame, fc.nat(), fc.nat(255), (frame, cut, tail) => {
        const bytes = family.encode(frame);
        const shorter = bytes.subarray(0, cut % bytes.length);
        expect(readOrRefused(family, shorter)).toBeNull();
        expect(readOrRefused(family, Uint8Array.of(...bytes, tail))).toBeNull();
      }),
    );
  });

  it("reads a frame with a flipped bit as another frame, or refuses it", () => {
    fc.assert(
      fc.property(anyFrame, fc.nat(), (frame, at) => {
        const bytes = family.encode(frame);
        const bit = at % (bytes.length * 8);
        bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7));
        const read = readOrRefused(family, bytes);
        // One frame has one encoding: what was read is what these bytes are the frame of.
        if (read) expect(toHex(family.encode(read))).toBe(toHex(bytes));
      }),
      { numRuns: 500 },
    );
  });

  it("reads or refuses any bytes at all", () => {
    const tags = Object.values(vectors[side]).map(({ hex }) => fromHex(hex)[0] as number);
    const tagged = fc
      .tuple(fc.constantFrom(...tags), fc.uint8Array({ maxLength: 200 }))
      .map(([tag, rest]) => Uint8Array.of(tag, ...rest));
    fc.assert(
      fc.property(fc.oneof(tagged, fc.uint8Array({ maxLength: 200 })), (bytes) => {
        const read = readOrRefused(family, bytes);
        if (read) expect(toHex(family.encode(read))).toBe(toHex(bytes));
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("bounds", () => {
  const append = (payload: Uint8Array): ClientFrame => ({
    type: "append",
    requestId: 1,
    conversationId: "0".repeat(32) as never,
    entries: [{ deviceId: "1".repeat(32) as never, n: 1, ttl: 0, signature: null, payload }],
    heldBy: [],
  });

  it("a payload of the greatest length passes and one byte more does not", () => {
    const bytes = clientFrames.encode(append(new Uint8Array(MAX_PAYLOAD_BYTES)));
    expect(readOrRefused(clientFrames, bytes)).not.toBeNull();
    expect(() => clientFrames.encode(append(new Uint8Array(MAX_PAYLOAD_BYTES + 1)))).toThrow(
      RangeError,
    );
    // The same refusal when somebody else writes the length: 65,537 in four bytes.
    const at = toHex(bytes).lastIndexOf("80010000") / 2;
    bytes.set([0x80, 0x01, 0x00, 0x01], at);
    expect(readOrRefused(clientFrames, bytes)).toBeNull();
  });

  it("a list that promises more than there are bytes is refused before it is made", () => {
    // A page, request 1, head 1, first 1, with 200 entries of which nothing follows.
    const page = Uint8Array.of(24, 1, 1, 1, 0x40, 200);
    expect(() => relayFrames.decode(page)).toThrow("a list of 200");
    const huge = Uint8Array.of(24, 1, 1, 1, 0xff, 255, 255, 255, 255, 255, 255, 255);
    expect(readOrRefused<RelayFrame>(relayFrames, huge)).toBeNull();
  });
});
