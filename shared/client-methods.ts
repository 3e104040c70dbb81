/**
 * The methods of the client API with their parameters' schemas, from which both the types and the
 * validation where calls enter come. Apart from client-api.ts, so that a user interface that only
 * needs the types does not carry the validator.
 */
import { z } from "zod";
import { utf8 } from "./bytes.js";
import type { ConversationId, DeviceId, MessageId } from "./ids.js";
import { HANDLE_PATTERN, isId, parseMessageId } from "./ids.js";
import { MAX_NAME_BYTES, MAX_SEARCH_RESULTS, MAX_TEXT_BYTES } from "./limits.js";
import { normalPairingCode, PAIRING_CODE_LENGTH } from "./pairing.js";

const id = <T extends string>(what: string) =>
  z
    .custom<T>((value) => typeof value === "string" && isId(value), `not a ${what}`)
    .meta({ type: "string", description: what });
const conversationId = id<ConversationId>("conversation id");
const messageId = z
  .custom<MessageId>(
    (value) => typeof value === "string" && parseMessageId(value) !== null,
    "not a message id",
  )
  .meta({ type: "string", description: "message id" });

const upToBytes = (max: number) => (value: string) => utf8(value).length <= max;
const handle = z
  .string()
  .transform((value) => value.trim().replace(/^@/, "").toLowerCase())
  .refine(
    (value) => HANDLE_PATTERN.test(value),
    "3 to 32 of a–z, 0–9 and _, starting with a letter",
  );
/** Letters and digits of Crockford's base 32, however they were typed. */
const pairingCode = z
  .string()
  .transform(normalPairingCode)
  .refine((value) => value.length === PAIRING_CODE_LENGTH, "a code has 12 letters and digits");
const name = z.string().trim().min(1).refine(upToBytes(MAX_NAME_BYTES), "too long");

/** Each method's parameters; the result types stand in client-api.ts. */
export const methods = {
  "account.register": {
    summary: "Makes an account on the relay with this profile's device as its first.",
    params: z.strictObject({
      handle,
      displayName: name,
      invite: z.string().trim().max(128).optional(),
    }),
  },
  "account.link": {
    summary: "Joins an existing account with the code that one of its devices shows.",
    params: z.strictObject({ code: pairingCode }),
  },
  "account.get": { summary: "The profile's account, or null.", params: z.strictObject({}) },
  "devices.list": { summary: "The account's devices.", params: z.strictObject({}) },
  "devices.pair": {
    summary: "Shows a code with which a new device may join for some minutes.",
    params: z.strictObject({}),
  },
  "devices.cancelPairing": {
    summary: "Takes the code back.",
    params: z.strictObject({}),
  },
  "devices.remove": {
    summary: "Removes a device: it is out at once, and its key is refused for ever.",
    params: z.strictObject({ deviceId: id<DeviceId>("device id") }),
  },
  "users.search": {
    summary: "People whose handle starts with the prefix.",
    params: z.strictObject({
      prefix: z.string().max(64),
      limit: z.int().min(1).max(MAX_SEARCH_RESULTS).default(10),
    }),
  },
  "conversations.open": {
    summary: "The conversation with a person; one's own handle opens the notes.",
    params: z.strictObject({ handle }),
  },
  "conversations.list": {
    summary: "Conversations, the most recently active first.",
    params: z.strictObject({ limit: z.int().min(1).max(1000).default(100) }),
  },
  "conversations.get": {
    summary: "One conversation.",
    params: z.strictObject({ conversationId }),
  },
  "conversations.markRead": {
    summary: "Moves the read cursor up to and including a message.",
    params: z.strictObject({ conversationId, messageId }),
  },
  "conversations.setDraft": {
    summary: "Keeps what is typed but not sent.",
    params: z.strictObject({
      conversationId,
      text: z.string().refine(upToBytes(MAX_TEXT_BYTES), "too long"),
    }),
  },
  "messages.send": {
    summary: "Queues a message durably and sends it by the best path.",
    params: z.strictObject({
      conversationId,
      text: z
        .string()
        .refine((value) => value.trim() !== "", "empty")
        .refine(upToBytes(MAX_TEXT_BYTES), "too long"),
    }),
  },
  "messages.list": {
    summary:
      "A page of history, oldest first: the newest where neither `before` nor `after` is given.",
    params: z
      .strictObject({
        conversationId,
        before: messageId.optional(),
        after: messageId.optional(),
        limit: z.int().min(1).max(500).default(50),
      })
      .refine((value) => !(value.before && value.after), "`before` and `after` exclude each other"),
  },
  "presence.get": {
    summary: "Who is online, as the relay and the direct channels know.",
    params: z.strictObject({ handles: z.array(handle).max(64) }),
  },
  "typing.set": {
    summary: "Tells the others that one is typing; fades by itself after some seconds.",
    params: z.strictObject({ conversationId, active: z.boolean() }),
  },
  "connection.get": {
    summary: "How this client is connected.",
    params: z.strictObject({}),
  },
  "connection.retry": {
    summary: "Connects to the relay now instead of when the back-off ends.",
    params: z.strictObject({}),
  },
  "settings.get": { summary: "The settings of this profile.", params: z.strictObject({}) },
  "settings.set": {
    summary: "Changes some settings and returns all.",
    params: z.strictObject({
      directEnabled: z.boolean().optional(),
      notifications: z.boolean().optional(),
      theme: z.enum(["system", "light", "dark"]).optional(),
    }),
  },
} as const;

export const isMethod = (value: unknown): value is keyof typeof methods =>
  typeof value === "string" && Object.hasOwn(methods, value);
