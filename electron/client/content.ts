/** What clients put into an entry's payload. The relay never looks inside. */
import {
  bool,
  conversationId,
  decode,
  deviceId,
  encode,
  frameFamily,
  oneOf,
  optional,
  Reader,
  struct,
  text,
  uint,
  userId,
  Writer,
} from "../../shared/codec.js";
import type { Origin } from "../../shared/ids.js";
import {
  MAX_DESCRIPTION_BYTES,
  MAX_EMOJI_BYTES,
  MAX_NAME_BYTES,
  MAX_PICTURE_BYTES,
  MAX_TEXT_BYTES,
} from "../../shared/limits.js";
import { type ClockReading, MAX_COUNTER } from "./hlc.js";

const CONTENT_VERSION = 1;
/** Bytes of what a reply shows of the message that it answers. */
export const MAX_EXCERPT_BYTES = 400;

const header = struct({
  version: uint(0xff),
  wall: uint(),
  counter: uint(MAX_COUNTER),
  sentAt: uint(),
});

const words = text(MAX_TEXT_BYTES);
/** The entry that another one speaks of, in the same conversation. */
const target = struct({ deviceId, n: uint() });
const name = text(MAX_NAME_BYTES);
/** A data: URL. */
const picture = text(Math.ceil(MAX_PICTURE_BYTES / 3) * 4 + 32);
const profile = struct({ name, description: text(MAX_DESCRIPTION_BYTES), picture });
/** What people change of it one by one. */
export const PROFILE_PARTS = ["name", "description", "picture"] as const;
export type Profile = {
  readonly name: string;
  readonly description: string;
  readonly picture: string;
};

/** What people set for a conversation on their own devices alone. */
export const FLAGS = ["pinned", "archived", "mutedUntil", "accepted"] as const;
export type Flag = (typeof FLAGS)[number];

const bodies = frameFamily({
  text: [0, { text: words }],
  /** A text that answers another or was written elsewhere first. */
  message: [
    1,
    {
      text: words,
      reply: optional(struct({ target, userId, excerpt: text(MAX_EXCERPT_BYTES) })),
      forwarded: bool,
    },
  ],
  edit: [2, { target, text: words }],
  /** For everyone. */
  erase: [3, { target }],
  /** With an empty emoji to take it back. */
  react: [4, { target, emoji: text(MAX_EMOJI_BYTES) }],
  pin: [5, { target, on: bool }],
  timer: [6, { seconds: uint(0xffff_ffff) }],
  /** All of it, and which part is another one than before. */
  profile: [7, { profile, changed: oneOf(...PROFILE_PARTS) }],
  /** With a change of members: what those who are added could not know. */
  membership: [8, { profile: optional(profile), timer: uint(0xffff_ffff) }],
  /** Stands where an own entry disappeared before it could be sent. */
  gone: [9, {}],
  /** What is left of a message that was deleted for everyone, also for a device that comes later. */
  erased: [10, {}],

  // Only in the notes conversation, whose log every device of the user has: what follows the user.
  draft: [20, { conversationId, text: words }],
  flag: [21, { conversationId, flag: oneOf(...FLAGS), value: uint() }],
  star: [22, { conversationId, target, on: bool }],
  hide: [23, { conversationId, target }],
  /** `at` by the relay's clock. */
  block: [24, { userId, blocked: bool, at: uint() }],
});
export type Body = ReturnType<typeof bodies.decode>;

export interface Content {
  readonly clock: ClockReading;
  /** By the sender's clock, in milliseconds since 1970. */
  readonly sentAt: number;
  readonly body: Body;
}

/** Shown in place of what only a newer version can read. */
const UNREADABLE = "This message needs a newer version of Dovetail.";

export function encodeContent({ clock, sentAt, body }: Content): Uint8Array {
  const writer = new Writer();
  header.write(writer, { version: CONTENT_VERSION, ...clock, sentAt });
  writer.raw(bodies.encode(body));
  return writer.finish();
}

/**
 * Never fails: an entry that cannot be read still has its place in the log, and stays stored as it
 * came for a version that can read it. `at` stands in for the time that could not be read.
 */
export function decodeContent(payload: Uint8Array, at: number): Content {
  if (payload.length === 0) {
    return { clock: { wall: at, counter: 0 }, sentAt: at, body: { type: "gone" } };
  }
  try {
    const reader = new Reader(payload);
    const { wall, counter, sentAt } = header.read(reader);
    const body = bodies.decode(reader.raw(reader.remaining));
    return { clock: { wall, counter }, sentAt, body };
  } catch {
    const body: Body = { type: "text", text: UNREADABLE };
    return { clock: { wall: at, counter: 0 }, sentAt: at, body };
  }
}

const previewField = struct({ profile, timer: uint(0xffff_ffff) });

/** What an invite link shows, and what whoever joins by it knows of the group. */
export const encodePreview = (preview: { profile: Profile; timer: number }): Uint8Array =>
  encode(previewField, preview);

/** @throws DovetailError `malformed_frame`. */
export const decodePreview = (bytes: Uint8Array): { profile: Profile; timer: number } =>
  decode(previewField, bytes);

const SHOWN: ReadonlySet<Body["type"]> = new Set([
  "text",
  "message",
  "erased",
  "timer",
  "profile",
  "membership",
]);
/** Whether an entry is a line of its own in the history. */
export const isShown = ({ type }: Body): boolean => SHOWN.has(type);
/** Whether an entry is something that somebody wrote: it counts as unread. */
export const isWritten = ({ type }: Body): boolean => type === "text" || type === "message";

/** The text of what somebody wrote; empty for anything else. */
export const textOf = (body: Body): string =>
  body.type === "text" || body.type === "message" ? body.text : "";

/** The message that an entry changes for everyone; null where it changes none. */
export const targetOf = (body: Body): Origin | null =>
  body.type === "edit" || body.type === "erase" || body.type === "react" ? body.target : null;
