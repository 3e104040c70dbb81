/**
 * A binary presentation language in the manner of RFC 9420 §2.1 (MLS): fixed field order, lengths as
 * variable-size integers, no tags. A field both validates and converts, so a frame's schema is its
 * codec and cannot drift from it. Reading is bounded: no field allocates more than its declared
 * maximum or than what is left of the input.
 */
import { fromHex, fromUtf8, toHex, utf8 } from "./bytes.js";
import { DovetailError } from "./errors.js";
import { type ConversationId, type DeviceId, ID_BYTES, isId, type UserId } from "./ids.js";

const malformed = (what: string): DovetailError => new DovetailError("malformed_frame", what);

/** What the last writer has left: nearly all writing is of one frame or row after another. */
let spare: Uint8Array | null = null;
const SPARE_BYTES = 4_096;
const NOTHING = new Uint8Array();

export class Writer {
  #bytes: Uint8Array;
  #length = 0;

  constructor() {
    // Whoever writes while somebody else does makes one of its own.
    this.#bytes = spare ?? new Uint8Array(SPARE_BYTES);
    spare = null;
  }

  /** Makes room for `count` more bytes and returns where they start. */
  #claim(count: number): number {
    const start = this.#length;
    this.#length += count;
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#length, this.#bytes.length * 2));
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    return start;
  }

  byte(value: number): void {
    const at = this.#claim(1);
    this.#bytes[at] = value;
  }

  raw(bytes: Uint8Array): void {
    const at = this.#claim(bytes.length);
    this.#bytes.set(bytes, at);
  }

  /** RFC 9000 §16: 1, 2, 4 or 8 bytes, the two high bits of the first giving which. */
  varint(value: number): void {
    if (value < 0x40) {
      this.byte(value);
    } else if (value < 0x4000) {
      this.byte((value >> 8) | 0x40);
      this.byte(value & 0xff);
    } else if (value < 0x4000_0000) {
      this.#word(value | 0x8000_0000);
    } else {
      this.#word(Math.floor(value / 0x1_0000_0000) | 0xc000_0000);
      this.#word(value % 0x1_0000_0000);
    }
  }

  /** 32 bits, the highest first. */
  #word(value: number): void {
    const at = this.#claim(4);
    this.#bytes[at] = value >>> 24;
    this.#bytes[at + 1] = value >>> 16;
    this.#bytes[at + 2] = value >>> 8;
    this.#bytes[at + 3] = value;
  }

  /** A copy of what was written; to be called once, and last. */
  finish(): Uint8Array {
    const written = this.#bytes.slice(0, this.#length);
    if (this.#bytes.length === SPARE_BYTES) spare = this.#bytes;
    this.#bytes = NOTHING;
    return written;
  }
}

/** By size: what a shorter form has no room for. */
const LEAST = [0, 0, 0x40, 0, 0x4000, 0, 0, 0, 0x4000_0000];

export class Reader {
  readonly #bytes: Uint8Array;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    // A Node Buffer's own `slice` would give a view of the whole frame instead of a copy.
    this.#bytes =
      bytes.constructor === Uint8Array
        ? bytes
        : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get remaining(): number {
    return this.#bytes.length - this.#offset;
  }

  #take(count: number): number {
    if (count > this.remaining) throw malformed("the frame ends too early");
    const start = this.#offset;
    this.#offset += count;
    return start;
  }

  byte(): number {
    return this.#bytes[this.#take(1)] as number;
  }

  /** A copy, so that what is kept of a frame does not keep the whole frame alive. */
  raw(count: number): Uint8Array {
    const start = this.#take(count);
    return this.#bytes.slice(start, start + count);
  }

  /** For what is read on at once: no copy. */
  view(count: number): Uint8Array {
    const start = this.#take(count);
    return this.#bytes.subarray(start, start + count);
  }

  varint(): number {
    const start = this.#take(1);
    const first = this.#bytes[start] as number;
    const size = 1 << (first >> 6);
    this.#take(size - 1);
    let value = first & 0x3f;
    for (let i = 1; i < size; i++) {
      value = value * 256 + (this.#bytes[start + i] as number);
    }
    // One value has one encoding, or equal frames could differ in bytes.
    if (value < (LEAST[size] as number)) throw malformed("an integer is not in its shortest form");
    if (value > Number.MAX_SAFE_INTEGER) throw malformed("an integer is too large");
    return value;
  }

  end(): void {
    if (this.remaining > 0) throw malformed("the frame is longer than its fields");
  }
}

export interface Field<T> {
  /** @throws RangeError when the value is outside what the field allows: a fault of the caller. */
  write(writer: Writer, value: T): void;
  /** @throws DovetailError `malformed_frame`. */
  read(reader: Reader): T;
}

type Shape = Readonly<Record<string, Field<unknown>>>;
export type Infer<F> = F extends Field<infer T> ? T : never;
type InferShape<S extends Shape> = {
  readonly [K in keyof S]: S[K] extends Field<infer T> ? T : never;
};

function check(ok: boolean, what: string): asserts ok {
  if (!ok) throw new RangeError(what);
}

/** A whole number from 0 to `max`. */
export const uint = (max: number = Number.MAX_SAFE_INTEGER): Field<number> => ({
  write(writer, value) {
    check(
      Number.isSafeInteger(value) && value >= 0 && value <= max,
      `not from 0 to ${max}: ${value}`,
    );
    writer.varint(value);
  },
  read(reader) {
    const value = reader.varint();
    if (value > max) throw malformed(`${value} is over ${max}`);
    return value;
  },
});

export const bool: Field<boolean> = {
  write: (writer, value) => writer.byte(value ? 1 : 0),
  read(reader) {
    const value = reader.byte();
    if (value > 1) throw malformed("a flag is neither 0 nor 1");
    return value === 1;
  },
};

/** Exactly `length` bytes. */
export const fixed = (length: number): Field<Uint8Array> => ({
  write(writer, value) {
    check(value.length === length, `${value.length} bytes where ${length} belong`);
    writer.raw(value);
  },
  read: (reader) => reader.raw(length),
});

/** Up to `max` bytes. */
export const bytes = (max: number): Field<Uint8Array> => ({
  write(writer, value) {
    check(value.length <= max, `${value.length} bytes, over ${max}`);
    writer.varint(value.length);
    writer.raw(value);
  },
  read(reader) {
    const length = reader.varint();
    if (length > max) throw malformed(`a byte string of ${length}, over ${max}`);
    return reader.raw(length);
  },
});

/** Up to `max` bytes of UTF-8. */
export const text = (max: number): Field<string> => {
  const inner = bytes(max);
  return {
    write: (writer, value) => inner.write(writer, utf8(value)),
    read(reader) {
      const raw = inner.read(reader);
      try {
        return fromUtf8(raw);
      } catch {
        throw malformed("a text is not UTF-8");
      }
    },
  };
};

/** Of 16 bytes, as 32 hexadecimal digits. */
export const id = <T extends string>(): Field<T> => ({
  write(writer, value) {
    check(isId(value), `not an id: ${value}`);
    writer.raw(fromHex(value));
  },
  read: (reader) => toHex(reader.view(ID_BYTES)) as T,
});
export const userId: Field<UserId> = id();
export const deviceId: Field<DeviceId> = id();
export const conversationId: Field<ConversationId> = id();

/** One of a few words, sent as its place in the list: append to the list, never reorder it. */
export const oneOf = <const W extends string>(...words: readonly W[]): Field<W> => ({
  write: (writer, value) => writer.byte(words.indexOf(value)),
  read(reader) {
    const word = words[reader.byte()];
    if (word === undefined) throw malformed("an unknown choice");
    return word;
  },
});

/** Up to `max` items. */
export const list = <T>(item: Field<T>, max: number): Field<readonly T[]> => ({
  write(writer, value) {
    check(value.length <= max, `${value.length} items, over ${max}`);
    writer.varint(value.length);
    for (const each of value) item.write(writer, each);
  },
  read(reader) {
    const length = reader.varint();
    // Every item takes at least a byte, so this bounds the work by the size of the input too.
    if (length > max || length > reader.remaining)
      throw malformed(`a list of ${length}, over ${max}`);
    return Array.from({ length }, () => item.read(reader));
  },
});

export const optional = <T>(inner: Field<T>): Field<T | null> => ({
  write(writer, value) {
    bool.write(writer, value !== null);
    if (value !== null) inner.write(writer, value);
  },
  read: (reader) => (bool.read(reader) ? inner.read(reader) : null),
});

export function struct<const S extends Shape>(shape: S): Field<InferShape<S>> {
  const fields = Object.entries(shape) as [string, Field<unknown>][];
  return {
    write(writer, value) {
      const record = value as Readonly<Record<string, unknown>>;
      for (const [name, field] of fields) field.write(writer, record[name]);
    },
    read(reader) {
      const record: Record<string, unknown> = {};
      for (const [name, field] of fields) record[name] = field.read(reader);
      return record as InferShape<S>;
    },
  };
}

/** @throws RangeError when the value does not fit the field. */
export function encode<T>(field: Field<T>, value: T): Uint8Array {
  const writer = new Writer();
  field.write(writer, value);
  return writer.finish();
}

/** @throws DovetailError `malformed_frame`, also when bytes are left over. */
export function decode<T>(field: Field<T>, input: Uint8Array): T {
  const reader = new Reader(input);
  const value = field.read(reader);
  reader.end();
  return value;
}

type Definitions = Readonly<Record<string, readonly [tag: number, fields: Shape]>>;
type FrameOf<D extends Definitions> = {
  [K in keyof D & string]: { readonly type: K } & InferShape<D[K][1]>;
}[keyof D & string];

export interface FrameFamily<F> {
  encode(frame: F): Uint8Array;
  /** @throws DovetailError `malformed_frame`. */
  decode(input: Uint8Array): F;
}

/** The frames that travel one way: a tag byte, then the fields of the frame it names. */
export function frameFamily<const D extends Definitions>(definitions: D): FrameFamily<FrameOf<D>> {
  const byType = new Map<string, [number, Field<object>]>();
  const byTag = new Map<number, [string, Field<object>]>();
  for (const [type, [tag, shape]] of Object.entries(definitions)) {
    if (byTag.has(tag)) throw new RangeError(`two frames have the tag ${tag}`);
    const field = struct(shape) as Field<unknown> as Field<object>;
    byType.set(type, [tag, field]);
    byTag.set(tag, [type, field]);
  }
  return {
    encode(frame) {
      const [tag, field] = byType.get(frame.type) as [number, Field<object>];
      const writer = new Writer();
      writer.byte(tag);
      field.write(writer, frame);
      return writer.finish();
    },
    decode(input) {
      const reader = new Reader(input);
      const known = byTag.get(reader.byte());
      if (!known) throw malformed("an unknown kind of frame");
      const [type, field] = known;
      const frame = { type, ...field.read(reader) };
      reader.end();
      return frame as FrameOf<D>;
    },
  };
}
