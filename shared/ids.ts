import { concat, fromHex, toHex, utf8 } from "./bytes.js";

declare const brand: unique symbol;
/** 16 bytes, written as 32 lower-case hexadecimal digits. */
type Id<Name extends string> = string & { readonly [brand]: Name };

export type UserId = Id<"UserId">;
/** The first 16 bytes of SHA-256 over the device's Ed25519 public key: a device names its own key. */
export type DeviceId = Id<"DeviceId">;
export type ConversationId = Id<"ConversationId">;
/** `<conversationId>.<deviceId>.<n>`: an entry's origin, made unique across conversations. */
export type MessageId = string & { readonly [brand]: "MessageId" };

export const ID_BYTES = 16;
const ID_PATTERN = /^[0-9a-f]{32}$/;
const MESSAGE_ID_PATTERN = /^([0-9a-f]{32})\.([0-9a-f]{32})\.([1-9][0-9]{0,14})$/;

export const isId = (text: string): boolean => ID_PATTERN.test(text);

/** The place of an entry among all that its device ever wrote to one conversation; names it for ever. */
export interface Origin {
  readonly deviceId: DeviceId;
  /** Counts up by one per device and conversation, from 1. */
  readonly n: number;
}

/** Gives the SHA-256 digest (FIPS 180-4) of the bytes. */
export type Sha256 = (bytes: Uint8Array) => Uint8Array;

export const idFromBytes = <T extends UserId | DeviceId | ConversationId>(bytes: Uint8Array): T =>
  toHex(bytes.subarray(0, ID_BYTES)) as T;

export const deviceIdOf = (publicKey: Uint8Array, sha256: Sha256): DeviceId =>
  idFromBytes(sha256(publicKey));

/**
 * The same for both users whoever opens it first, so that two who open it at once open one.
 * With oneself it is the notes conversation. `taken` counts those before it that a group has:
 * whoever knows both users can give it an id that would be theirs.
 */
export function directConversationId(
  a: UserId,
  b: UserId,
  sha256: Sha256,
  taken = 0,
): ConversationId {
  const [first, second] = a < b ? [a, b] : [b, a];
  const tag = taken === 0 ? "" : ` ${taken}`;
  return idFromBytes(
    sha256(concat(utf8(`dovetail direct conversation${tag}`), fromHex(first), fromHex(second))),
  );
}

export const messageIdOf = (conversationId: ConversationId, origin: Origin): MessageId =>
  `${conversationId}.${origin.deviceId}.${origin.n}` as MessageId;

/** Null when the text is not a message id. */
export function parseMessageId(
  text: string,
): { conversationId: ConversationId; origin: Origin } | null {
  const match = MESSAGE_ID_PATTERN.exec(text);
  if (!match) return null;
  return {
    conversationId: match[1] as ConversationId,
    origin: { deviceId: match[2] as DeviceId, n: Number(match[3]) },
  };
}

/** A handle: 3 to 32 of a–z, 0–9 and _, starting with a letter. Compared as it is, in lower case. */
export const HANDLE_PATTERN = /^[a-z][a-z0-9_]{2,31}$/;
