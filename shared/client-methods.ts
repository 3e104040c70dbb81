/**
 * The methods of the client API with their parameters' schemas, from which both the types and the
 * validation where calls enter come. Apart from client-api.ts, so that a user interface that only
 * needs the types does not carry the validator.
 */
import { z } from "zod";
import { utf8 } from "./bytes.js";
import type { ConversationId, DeviceId, MessageId } from "./ids.js";
import { HANDLE_PATTERN, isId, parseMessageId } from "./ids.js";
import {
  INVITE_CODE_LENGTH,
  MAX_DESCRIPTION_BYTES,
  MAX_EMOJI_BYTES,
  MAX_GROUP_MEMBERS,
  MAX_NAME_BYTES,
  MAX_PICTURE_BYTES,
  MAX_SEARCH_RESULTS,
  MAX_TEXT_BYTES,
  TIMERS,
} from "./limits.js";
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
const inviteCode = z
  .string()
  .transform(normalPairingCode)
  .refine((value) => value.length === INVITE_CODE_LENGTH, "not an invite code");
const text = z
  .string()
  .refine((value) => value.trim() !== "", "empty")
  .refine(upToBytes(MAX_TEXT_BYTES), "too long");
const description = z.string().trim().refine(upToBytes(MAX_DESCRIPTION_BYTES), "too long");
/** Four characters stand for three bytes. */
const MAX_PICTURE_URL = 32 + Math.ceil(MAX_PICTURE_BYTES / 3) * 4;
const picture = z
  .string()
  .max(MAX_PICTURE_URL, "too large")
  .regex(
    /^(data:image\/(png|jpeg|webp);base64,[A-Za-z0-9+/]+={0,2})?$/,
    "a data: URL of a PNG, JPEG or WebP picture, or empty",
  );
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
  "conversations.setTimer": {
    summary: "Lets new messages of a conversation disappear, for everyone, after so many seconds.",
    params: z.strictObject({ conversationId, seconds: z.literal(TIMERS) }),
  },
  "conversations.pin": {
    summary: "Keeps a conversation at the top of the list, on all own devices.",
    params: z.strictObject({ conversationId, pinned: z.boolean() }),
  },
  "conversations.archive": {
    summary: "Takes a conversation out of the list, on all own devices.",
    params: z.strictObject({ conversationId, archived: z.boolean() }),
  },
  "conversations.mute": {
    summary: "Alerts to nothing of a conversation until then, on all own devices; null ends that.",
    params: z.strictObject({
      conversationId,
      until: z.int().min(0).max(8.64e15).nullable(),
    }),
  },
  "conversations.accept": {
    summary: "Takes a stranger's message request.",
    params: z.strictObject({ conversationId }),
  },
  "groups.create": {
    summary: "Makes a group with oneself as its admin.",
    params: z.strictObject({
      name,
      description: description.default(""),
      picture: picture.default(""),
      handles: z.array(handle).max(MAX_GROUP_MEMBERS - 1),
    }),
  },
  "groups.members": {
    summary: "All members of a group, in the order in which they joined.",
    params: z.strictObject({ conversationId }),
  },
  "groups.update": {
    summary: "Changes a group's name, description or picture.",
    params: z.strictObject({
      conversationId,
      name: name.optional(),
      description: description.optional(),
      picture: picture.optional(),
    }),
  },
  "groups.add": {
    summary: "Adds people to a group. They get what is written from then on.",
    params: z.strictObject({
      conversationId,
      handles: z
        .array(handle)
        .min(1)
        .max(MAX_GROUP_MEMBERS - 1),
    }),
  },
  "groups.remove": {
    summary: "Removes somebody from a group.",
    params: z.strictObject({ conversationId, handle }),
  },
  "groups.setAdmin": {
    summary: "Makes a member an admin, or an admin a member.",
    params: z.strictObject({ conversationId, handle, admin: z.boolean() }),
  },
  "groups.restrict": {
    summary: "Whether only admins may add people and change what the group is called.",
    params: z.strictObject({ conversationId, restricted: z.boolean() }),
  },
  "groups.leave": {
    summary: "Leaves a group. Its history up to then stays.",
    params: z.strictObject({ conversationId }),
  },
  "groups.createInvite": {
    summary: "Makes a link with which people may join the group.",
    params: z.strictObject({
      conversationId,
      /** Seconds from now; null for never. */
      expiresIn: z
        .int()
        .min(60)
        .max(31_536_000)
        .nullable()
        .default(7 * 86_400),
      maxUses: z.int().min(1).max(MAX_GROUP_MEMBERS).nullable().default(null),
    }),
  },
  "groups.invites": {
    summary: "The group's valid invite links.",
    params: z.strictObject({ conversationId }),
  },
  "groups.revokeInvite": {
    summary: "Makes an invite link worthless.",
    params: z.strictObject({ conversationId, code: inviteCode }),
  },
  "groups.invitation": {
    summary: "What an invite link leads to.",
    params: z.strictObject({ code: inviteCode }),
  },
  "groups.join": {
    summary: "Joins a group by an invite link's code.",
    params: z.strictObject({ code: inviteCode }),
  },
  "messages.send": {
    summary: "Queues a message durably and sends it by the best path.",
    params: z.strictObject({ conversationId, text, replyTo: messageId.optional() }),
  },
  "messages.list": {
    summary:
      "A page of history, oldest first: the newest where none of `before`, `after` and `around` is given.",
    params: z
      .strictObject({
        conversationId,
        before: messageId.optional(),
        after: messageId.optional(),
        /** In the middle of the page, and part of it. */
        around: messageId.optional(),
        limit: z.int().min(1).max(500).default(50),
      })
      .refine(
        ({ before, after, around }) =>
          [before, after, around].filter((each) => each !== undefined).length < 2,
        "`before`, `after` and `around` exclude each other",
      ),
  },
  "messages.get": { summary: "One message.", params: z.strictObject({ messageId }) },
  "messages.forward": {
    summary: "Sends a message's text on to other conversations.",
    params: z.strictObject({ messageId, to: z.array(conversationId).min(1).max(20) }),
  },
  "messages.edit": {
    summary: "Replaces the text of an own message.",
    params: z.strictObject({ messageId, text }),
  },
  "messages.delete": {
    summary:
      "Deletes a message on the own devices or, if it is an own one or one is the group's admin, for everyone.",
    params: z.strictObject({ messageId, for: z.enum(["me", "everyone"]) }),
  },
  "messages.react": {
    summary: "Reacts to a message with one emoji, in place of an earlier one; empty takes it back.",
    params: z.strictObject({
      messageId,
      emoji: z
        .string()
        .refine(upToBytes(MAX_EMOJI_BYTES), "too long")
        .refine((value) => value === "" || /^\p{RGI_Emoji}$/v.test(value), "not one emoji"),
    }),
  },
  "messages.star": {
    summary: "Marks a message for oneself, on all own devices.",
    params: z.strictObject({ messageId, starred: z.boolean() }),
  },
  "messages.pin": {
    summary: "Pins a message for everyone in the conversation.",
    params: z.strictObject({ messageId, pinned: z.boolean() }),
  },
  "messages.starred": {
    summary: "Starred messages, the latest starred first.",
    params: z.strictObject({
      conversationId: conversationId.optional(),
      limit: z.int().min(1).max(500).default(100),
    }),
  },
  "messages.pinned": {
    summary: "A conversation's pinned messages, the latest pinned first.",
    params: z.strictObject({ conversationId }),
  },
  "messages.search": {
    summary: "Messages of a conversation that contain all the words, the newest first.",
    params: z.strictObject({
      conversationId,
      query: z.string().trim().min(1).max(256),
      before: messageId.optional(),
      limit: z.int().min(1).max(100).default(20),
    }),
  },
  "messages.at": {
    summary: "The first message written at that time or later, to jump to a date.",
    params: z.strictObject({ conversationId, time: z.int().min(0).max(8.64e15) }),
  },
  "messages.receipts": {
    summary: "Who has an own message and who has read it.",
    params: z.strictObject({ messageId }),
  },
  "people.block": {
    summary: "Shows nothing of a person any more, nor oneself to them; or ends that.",
    params: z.strictObject({ handle, blocked: z.boolean() }),
  },
  "people.blocked": { summary: "Whom one has blocked.", params: z.strictObject({}) },
  "presence.get": {
    summary: "Who is online, as the relay and the direct channels know.",
    params: z.strictObject({ handles: z.array(handle).max(64) }),
  },
  "typing.set": {
    summary: "Tells the others that one is typing; fades by itself after some seconds.",
    params: z.strictObject({ conversationId, active: z.boolean() }),
  },
  "attention.set": {
    summary: "Tells where the person is on this device, so that one of their devices alerts.",
    params: z.strictObject({
      /** In front; null for none. */
      conversationId: conversationId.nullable(),
      /** Whether the person is at the window; again now and then while they use it. */
      active: z.boolean(),
      /** Whether alerts can be shown here. */
      alerts: z.boolean().default(true),
    }),
  },
  "connection.get": {
    summary: "How this client is connected.",
    params: z.strictObject({}),
  },
  "connection.retry": {
    summary: "Connects to the relay now, or finds out whether a connection still is one.",
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
