import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toHex } from "../../shared/bytes.js";
import { decode, encode, list, oneOf, text, uint } from "../../shared/codec.js";
import { deviceIdOf, directConversationId, messageIdOf, parseMessageId } from "../../shared/ids.js";
import { fromSortable, sortable, under } from "../../shared/key-value.js";
import { compareMessages } from "../../shared/message-order.js";
import { nodeCrypto } from "../../shared/node/runtime.js";

describe("integers on the wire", () => {
  it.each([
    [0, "00"],
    [63, "3f"],
    [64, "4040"],
    // The three examples of RFC 9000 §A.1 that a double can hold.
    [15_293, "7bbd"],
    [494_878_333, "9d7f3e7d"],
    [2 ** 30, "c000000040000000"],
    [Number.MAX_SAFE_INTEGER, "c01fffffffffffff"],
  ])("%d is %s", (value, hex) => {
    expect(toHex(encode(uint(), value))).toBe(hex);
    expect(decode(uint(), encode(uint(), value))).toBe(value);
  });

  it.each(["4000", "403f", "80000000", "80003fff", "c000000000000000", "c00000003fffffff"])(
    "%s is not the shortest form and is refused",
    (hex) => {
      const bytes = Uint8Array.from(Buffer.from(hex, "hex"));
      expect(() => decode(uint(), bytes)).toThrow("not in its shortest form");
    },
  );

  it("what a double cannot hold is refused", () => {
    const bytes = Uint8Array.from(Buffer.from("c020000000000000", "hex"));
    expect(() => decode(uint(), bytes)).toThrow("too large");
  });

  it.each([-1, 0.5, Number.NaN, 2 ** 53, 8])("%d is no value of a field up to 7", (value) => {
    expect(() => encode(uint(7), value)).toThrow(RangeError);
  });
});

describe("texts, choices and lists", () => {
  it.each([
    ["an overlong form", [2, 0xc0, 0x80]],
    ["half of a surrogate pair", [3, 0xed, 0xa0, 0x80]],
    ["a lone continuation", [1, 0x80]],
  ])("a text with %s is refused", (_what, bytes) => {
    expect(() => decode(text(10), Uint8Array.from(bytes))).toThrow("not UTF-8");
  });

  it("a byte-order mark is part of the text", () => {
    expect(decode(text(10), encode(text(10), "\uFEFFa"))).toBe("\uFEFFa");
  });

  it("bounds count bytes of UTF-8, on both sides", () => {
    expect(() => encode(text(3), "é\u{1F600}")).toThrow(RangeError);
    expect(() => decode(text(3), Uint8Array.of(4, 97, 97, 97, 97))).toThrow("over 3");
  });

  it("an unknown choice is refused", () => {
    expect(decode(oneOf("yes", "no"), Uint8Array.of(1))).toBe("no");
    expect(() => decode(oneOf("yes", "no"), Uint8Array.of(2))).toThrow("unknown choice");
  });

  it("a list over its bound is refused on both sides", () => {
    expect(() => encode(list(uint(), 2), [1, 2, 3])).toThrow(RangeError);
    expect(() => decode(list(uint(), 2), Uint8Array.of(3, 1, 2, 3))).toThrow("over 2");
  });
});

describe("keys", () => {
  it("sortable parts sort as their numbers do and come back", () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.maxSafeNat(), (a, b) => {
        expect(sortable(a) < sortable(b)).toBe(a < b);
        expect(fromSortable(sortable(a))).toBe(a);
      }),
    );
    expect(sortable(Number.MAX_SAFE_INTEGER)).toHaveLength(sortable(0).length);
  });

  it("a prefix holds exactly the keys that start with it", () => {
    const ascii = fc.string({ unit: fc.integer({ min: 32, max: 125 }).map(String.fromCharCode) });
    fc.assert(
      fc.property(ascii, ascii, (prefix, key) => {
        const { from, to } = under(prefix);
        const inside = (candidate: string) => candidate >= from && candidate < to;
        expect(inside(prefix + key)).toBe(true);
        expect(inside(key)).toBe(key.startsWith(prefix));
      }),
    );
  });
});

describe("ids", () => {
  const anyId = fc
    .uint8Array({ minLength: 16, maxLength: 16 })
    .map((bytes) => toHex(bytes) as never);

  it("both sides open the same direct conversation, and it is not the notes of either", () => {
    fc.assert(
      fc.property(anyId, anyId, (a, b) => {
        const id = directConversationId(a, b, nodeCrypto.sha256);
        expect(directConversationId(b, a, nodeCrypto.sha256)).toBe(id);
        fc.pre(a !== b);
        expect(directConversationId(a, a, nodeCrypto.sha256)).not.toBe(id);
      }),
    );
  });

  it("a device is named after its key", () => {
    // SHA-256 of 32 zero bytes begins so (FIPS 180-4).
    expect(deviceIdOf(new Uint8Array(32), nodeCrypto.sha256)).toBe(
      "66687aadf862bd776c8fc18b8e9f8e20",
    );
  });

  it("a message id tells its origin, and nothing else is one", () => {
    fc.assert(
      fc.property(
        anyId,
        anyId,
        fc.integer({ min: 1, max: 1e15 - 1 }),
        (conversation, device, n) => {
          const id = messageIdOf(conversation, { deviceId: device, n });
          expect(parseMessageId(id)).toEqual({
            conversationId: conversation,
            origin: { deviceId: device, n },
          });
          for (const other of [`${id}0000000000000000`, ` ${id}`, id.toUpperCase(), id.slice(1)]) {
            if (other !== id) expect(parseMessageId(other)).toBeNull();
          }
        },
      ),
    );
    const half = `${"0".repeat(32)}.${"1".repeat(32)}`;
    expect(parseMessageId(`${half}.0`)).toBeNull();
    expect(parseMessageId(`${half}.01`)).toBeNull();
  });
});

describe("the order of messages", () => {
  const message = fc.record({
    seq: fc.option(fc.integer({ min: 1, max: 5 }), { nil: null }),
    clock: fc.constantFrom("a", "b", "c"),
    messageId: fc.constantFrom("x", "y", "z") as fc.Arbitrary<never>,
  });

  it("is total: antisymmetric, transitive, and equal only for what is the same place", () => {
    fc.assert(
      fc.property(message, message, message, (a, b, c) => {
        // `+ 0` makes one zero of the two.
        expect(Math.sign(compareMessages(a, b)) + 0).toBe(-Math.sign(compareMessages(b, a)) + 0);
        if (compareMessages(a, b) <= 0 && compareMessages(b, c) <= 0) {
          expect(compareMessages(a, c)).toBeLessThanOrEqual(0);
        }
        const same =
          a.seq !== null || b.seq !== null
            ? a.seq === b.seq
            : a.clock === b.clock && a.messageId === b.messageId;
        expect(compareMessages(a, b) === 0).toBe(same);
        if (a.seq !== null && b.seq === null) expect(compareMessages(a, b)).toBeLessThan(0);
      }),
      { numRuns: 1_000 },
    );
  });
});
