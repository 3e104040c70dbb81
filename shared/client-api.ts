/**
 * The client API: typed requests and events between the client core and whatever shows it. Every
 * host carries exactly this contract: Electron over IPC, the browser host over a WebSocket, the
 * headless host as JSON-RPC 2.0 lines. Parameters are validated from these schemas where they enter.
 */
import { z } from "zod";
import { utf8 } from "./bytes.js";
import type { ConversationId, DeviceId, MessageId, UserId } from "./ids.js";
import { HANDLE_PATTERN, isId, parseMessageId } from "./ids.js";
import { MAX_NAME_BYTES, MAX_SEARCH_RESULTS, MAX_TEXT_BYTES } from "./limits.js";

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
const name = z.string().trim().min(1).refine(upToBytes(MAX_NAME_BYTES), "too long");

export interface Account {
  readonly userId: UserId;
  readonly deviceId: DeviceId;
  readonly handle: string;
  readonly displayName: string;
  readonly relay: string;
}

export interface UserSummary {
  readonly userId: UserId;
  readonly handle: string;
  readonly displayName: string;
}

export interface PresenceState {
  readonly userId: UserId;
  readonly handle: string;
  readonly online: boolean;
  /** Milliseconds since 1970; null while online or when never seen. */
  readonly lastSeen: number | null;
  /** Whether a direct channel to one of the user's devices is open. */
  readonly direct: boolean;
}

/**
 * For the sender: queued (durable here), sent (durable at the relay), delivered (stored by every
 * recipient), read. For a recipient: delivered, then read.
 */
export type MessageState = "queued" | "sent" | "delivered" | "read";

export interface Message {
  readonly messageId: MessageId;
  readonly conversationId: ConversationId;
  /** Null until the log has given it one. Messages without stand after all with, by `clock`. */
  readonly seq: number | null;
  /** The hybrid logical clock of the sending device; compares as text. */
  readonly clock: string;
  /** The sender's handle. */
  readonly from: string;
  readonly mine: boolean;
  readonly text: string;
  /** By the sender's clock, in milliseconds since 1970. */
  readonly sentAt: number;
  readonly state: MessageState;
  /** How it first reached this device or, for an own message, the other one. */
  readonly path: "direct" | "relay";
}

export interface Conversation {
  readonly conversationId: ConversationId;
  readonly kind: "direct" | "group" | "notes";
  /** The other person's name; for notes, one's own. */
  readonly title: string;
  /** The others; empty for notes. */
  readonly members: readonly UserSummary[];
  readonly lastMessage: Message | null;
  /** Messages of others after the own read cursor; counted up to 1,000. */
  readonly unread: number;
  /** Messages that the relay has and this device has not yet fetched. */
  readonly behind: number;
  readonly draft: string;
}

export interface ConnectionState {
  /** `reconnecting` waits until `retryAt`; `offline` is without an account. */
  readonly relay: "connected" | "connecting" | "reconnecting" | "offline";
  readonly relayUrl: string;
  /** Milliseconds since 1970; null unless reconnecting. */
  readonly retryAt: number | null;
  /** The code of the last failure, while not connected. */
  readonly error: string | null;
  /** Direct channels, open or being opened. */
  readonly direct: readonly {
    readonly handle: string;
    readonly deviceId: DeviceId;
    readonly state: "connecting" | "open";
  }[];
}

export interface Settings {
  /** Whether to use direct channels, which show the own network address to the other person. */
  readonly directEnabled: boolean;
  readonly notifications: boolean;
  readonly theme: "system" | "light" | "dark";
}

/** A method's parameters; the result types stand in {@link Results}. */
export const methods = {
  "account.register": {
    summary: "Makes an account on the relay with this profile's device as its first.",
    params: z.strictObject({
      handle,
      displayName: name,
      invite: z.string().trim().max(128).optional(),
    }),
  },
  "account.get": { summary: "The profile's account, or null.", params: z.strictObject({}) },
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

export type Method = keyof typeof methods;
export const isMethod = (value: unknown): value is Method =>
  typeof value === "string" && Object.hasOwn(methods, value);

/** Parameters as a caller writes them. */
export type Params<M extends Method> = z.input<(typeof methods)[M]["params"]>;
/** Parameters as the core receives them: validated, with defaults. */
export type ValidParams<M extends Method> = z.output<(typeof methods)[M]["params"]>;

export interface Results {
  "account.register": Account;
  "account.get": Account | null;
  "users.search": readonly UserSummary[];
  "conversations.open": { readonly conversationId: ConversationId };
  "conversations.list": readonly Conversation[];
  "conversations.get": Conversation;
  "conversations.markRead": Record<never, never>;
  "conversations.setDraft": Record<never, never>;
  "messages.send": { readonly messageId: MessageId };
  "messages.list": readonly Message[];
  "presence.get": readonly PresenceState[];
  "typing.set": Record<never, never>;
  "connection.get": ConnectionState;
  "connection.retry": Record<never, never>;
  "settings.get": Settings;
  "settings.set": Settings;
}

/** What the core tells without being asked, by name; the summary is for docs and `--help`. */
export const eventSummaries = {
  "account.changed": "The profile got its account.",
  "message.added": "A message that this device did not have: the other's, or an own just queued.",
  "message.updated": "A message changed: its seq, state or path.",
  "conversation.changed":
    "A conversation is new, or its title, unread count, draft or last message changed.",
  "presence.changed": "Somebody came, went, or a direct channel to them opened or closed.",
  "typing.changed": "Somebody began or stopped typing.",
  "connection.changed": "The state of the connection changed.",
  "settings.changed": "The settings changed.",
} as const;

export interface Events {
  "account.changed": Account;
  "message.added": Message;
  "message.updated": Message;
  "conversation.changed": Conversation;
  "presence.changed": PresenceState;
  "typing.changed": {
    readonly conversationId: ConversationId;
    readonly handle: string;
    readonly active: boolean;
  };
  "connection.changed": ConnectionState;
  "settings.changed": Settings;
}
export type EventName = keyof Events;

export type ClientEvent = {
  [E in EventName]: { readonly event: E; readonly data: Events[E] };
}[EventName];

/** What a host offers to whatever shows the client. Failures are `DovetailError`s. */
export interface ClientApi {
  call<M extends Method>(method: M, params: Params<M>): Promise<Results[M]>;
  /** Returns a function that ends the subscription. */
  subscribe(listener: (event: ClientEvent) => void): () => void;
}
