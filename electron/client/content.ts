/** What clients put into an entry's payload. The relay never looks inside. */
import { decode, encode, oneOf, struct, text, uint } from "../../shared/codec.js";
import { MAX_TEXT_BYTES } from "../../shared/limits.js";
import { type ClockReading, MAX_COUNTER } from "./hlc.js";

const CONTENT_VERSION = 1;

const envelope = struct({
  version: uint(0xff),
  wall: uint(),
  counter: uint(MAX_COUNTER),
  sentAt: uint(),
  kind: oneOf("text"),
  text: text(MAX_TEXT_BYTES),
});

export interface Content {
  readonly clock: ClockReading;
  /** By the sender's clock, in milliseconds since 1970. */
  readonly sentAt: number;
  readonly text: string;
}

/** Shown in place of what only a newer version can read. */
const UNREADABLE = "This message needs a newer version of Dovetail.";

export const encodeContent = ({ clock, sentAt, text }: Content): Uint8Array =>
  encode(envelope, { version: CONTENT_VERSION, ...clock, sentAt, kind: "text", text });

/**
 * Never fails: an entry that cannot be read still has its place in the log, and stays stored as it
 * came for a version that can read it. `at` stands in for the time that could not be read.
 */
export function decodeContent(payload: Uint8Array, at: number): Content {
  try {
    const { wall, counter, sentAt, text } = decode(envelope, payload);
    return { clock: { wall, counter }, sentAt, text };
  } catch {
    return { clock: { wall: at, counter: 0 }, sentAt: at, text: UNREADABLE };
  }
}
