/**
 * The client API: typed requests and events between the client core and whatever shows it. Every
 * host carries exactly this contract: Electron over IPC, the browser host over a WebSocket, the
 * headless host as JSON-RPC 2.0 lines. The methods' parameters stand in client-methods.ts.
 */
import type { z } from "zod";
import type { methods } from "./client-methods.js";
import type { ConversationId, DeviceId, MessageId, UserId } from "./ids.js";

export interface Account {
  readonly userId: UserId;
  readonly deviceId: DeviceId;
  readonly handle: string;
  readonly displayName: string;
  readonly relay: string;
}

export interface Device {
  readonly deviceId: DeviceId;
  readonly name: string;
  /** Whether it is the one that is asked. */
  readonly current: boolean;
  readonly online: boolean;
  /** Milliseconds since 1970; null while online or when never seen. */
  readonly lastSeen: number | null;
  /** Milliseconds since 1970. */
  readonly addedAt: number;
}

/** A code to be typed or scanned at a new device. */
export interface Pairing {
  readonly code: string;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
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

export type Method = keyof typeof methods;
/** Parameters as a caller writes them. */
export type Params<M extends Method> = z.input<(typeof methods)[M]["params"]>;
/** Parameters as the core receives them: validated, with defaults. */
export type ValidParams<M extends Method> = z.output<(typeof methods)[M]["params"]>;

export interface Results {
  "account.register": Account;
  "account.link": Account;
  "account.get": Account | null;
  "devices.list": readonly Device[];
  "devices.pair": Pairing;
  "devices.cancelPairing": Record<never, never>;
  "devices.remove": Record<never, never>;
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
  "devices.changed": "A device was linked or removed, or came or went.",
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
  "devices.changed": { readonly devices: readonly Device[] };
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
