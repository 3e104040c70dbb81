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

export interface Member extends UserSummary {
  readonly admin: boolean;
  readonly self: boolean;
}

/** An invite link of a group. */
export interface Invite {
  readonly code: string;
  /** What to give away: `dovetail:join?relay=…&code=…`. */
  readonly link: string;
  readonly createdBy: UserSummary;
  /** Milliseconds since 1970; null for never. */
  readonly expiresAt: number | null;
  /** Null for as often as one likes. */
  readonly maxUses: number | null;
  readonly uses: number;
}

/** What an invite link shows before one joins. */
export interface Invitation {
  readonly conversationId: ConversationId;
  readonly name: string;
  /** A data: URL; empty for none. */
  readonly picture: string;
  readonly memberCount: number;
  readonly joined: boolean;
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

/** What a message answers, as it was when the answer was written. */
export interface Quote {
  readonly messageId: MessageId;
  readonly from: string;
  readonly fromName: string;
  readonly excerpt: string;
}

export interface Reaction {
  readonly emoji: string;
  /** In the order in which they reacted. */
  readonly by: readonly UserSummary[];
  readonly mine: boolean;
}

/** Something that happened in a conversation, shown as a line between the messages. */
export type Notice =
  | { readonly type: "created" | "left" | "joined" }
  | {
      readonly type: "added" | "removed" | "promoted" | "demoted";
      readonly people: readonly UserSummary[];
    }
  | { readonly type: "restricted"; readonly restricted: boolean }
  | { readonly type: "renamed"; readonly name: string }
  | { readonly type: "described" | "pictured" }
  | { readonly type: "timer"; readonly seconds: number };

export interface Message {
  readonly messageId: MessageId;
  readonly conversationId: ConversationId;
  /** Null until the log has given it one. Messages without stand after all with, by `clock`. */
  readonly seq: number | null;
  /** The hybrid logical clock of the sending device; compares as text. */
  readonly clock: string;
  /** The sender's handle. */
  readonly from: string;
  /** The sender's display name. */
  readonly fromName: string;
  readonly mine: boolean;
  /** Empty where it is a notice or was deleted. */
  readonly text: string;
  /** Null for what people wrote. */
  readonly notice: Notice | null;
  readonly replyTo: Quote | null;
  readonly forwarded: boolean;
  readonly edited: boolean;
  /** For everyone, by its sender or an admin. */
  readonly deleted: boolean;
  /** Members whose @handle the text names. */
  readonly mentions: readonly UserSummary[];
  readonly reactions: readonly Reaction[];
  readonly starred: boolean;
  /** For everyone in the conversation. */
  readonly pinned: boolean;
  /** When it disappears, by the clock of this device in milliseconds since 1970; null for never. */
  readonly expiresAt: number | null;
  /** By the sender's clock, in milliseconds since 1970. */
  readonly sentAt: number;
  readonly state: MessageState;
  /** How it first reached this device or, for an own message, the other one. */
  readonly path: "direct" | "relay";
}

export interface Conversation {
  readonly conversationId: ConversationId;
  readonly kind: "direct" | "group" | "notes";
  /** The other person's name; for notes, one's own; for a group, its name. */
  readonly title: string;
  /** The others, of a group the first of them; empty for notes. `groups.members` gives all. */
  readonly members: readonly UserSummary[];
  /** With oneself. */
  readonly memberCount: number;
  /** What one is in a group: `none` after one left or was removed. In other conversations `member`. */
  readonly role: "admin" | "member" | "none";
  /** Whether only admins of the group may add people and change what it is called. */
  readonly restricted: boolean;
  readonly description: string;
  /** A data: URL; empty for none. */
  readonly picture: string;
  readonly lastMessage: Message | null;
  /** Seconds after which new messages disappear; 0 for never. */
  readonly timer: number;
  readonly pinned: boolean;
  readonly archived: boolean;
  /** Milliseconds since 1970, 8.64e15 for ever; null where it is not muted. */
  readonly mutedUntil: number | null;
  /** Whether a stranger began it and one has neither answered nor accepted. */
  readonly request: boolean;
  /** Whether one has blocked the other person. */
  readonly blocked: boolean;
  /** Whether one of the unread messages names oneself. */
  readonly mentioned: boolean;
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

/** History that comes to this device from another of the account, or goes from it to one. */
export interface Transfer {
  readonly direction: "receiving" | "sending";
  /** The other device. */
  readonly deviceId: DeviceId;
  readonly done: number;
  readonly total: number;
  /** Milliseconds; null while it cannot be told. */
  readonly remainingMs: number | null;
}

/** What one user has done with an own message. */
export interface Receipt extends UserSummary {
  readonly state: "sent" | "delivered" | "read";
}

/** A later one of the same conversation takes its place; it is over once nothing there is unread. */
export interface Alert {
  readonly conversationId: ConversationId;
  readonly messageId: MessageId;
  readonly title: string;
  readonly body: string;
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
  "conversations.setTimer": Record<never, never>;
  "conversations.pin": Record<never, never>;
  "conversations.archive": Record<never, never>;
  "conversations.mute": Record<never, never>;
  "conversations.accept": Record<never, never>;
  "groups.create": { readonly conversationId: ConversationId };
  "groups.members": readonly Member[];
  "groups.update": Record<never, never>;
  "groups.add": Record<never, never>;
  "groups.remove": Record<never, never>;
  "groups.setAdmin": Record<never, never>;
  "groups.restrict": Record<never, never>;
  "groups.leave": Record<never, never>;
  "groups.createInvite": Invite;
  "groups.invites": readonly Invite[];
  "groups.revokeInvite": Record<never, never>;
  "groups.invitation": Invitation;
  "groups.join": { readonly conversationId: ConversationId };
  "messages.send": { readonly messageId: MessageId };
  "messages.list": readonly Message[];
  "messages.get": Message;
  "messages.forward": { readonly messageIds: readonly MessageId[] };
  "messages.edit": Record<never, never>;
  "messages.delete": Record<never, never>;
  "messages.react": Record<never, never>;
  "messages.star": Record<never, never>;
  "messages.pin": Record<never, never>;
  "messages.starred": readonly Message[];
  "messages.pinned": readonly Message[];
  "messages.search": readonly Message[];
  "messages.at": { readonly messageId: MessageId | null };
  "messages.receipts": readonly Receipt[];
  "people.block": Record<never, never>;
  "people.blocked": readonly UserSummary[];
  "presence.get": readonly PresenceState[];
  "typing.set": Record<never, never>;
  "attention.set": Record<never, never>;
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
  "message.updated": "A message changed: its place, state, text, reactions or marks.",
  "message.removed": "A message is not shown any more: it disappeared or was deleted here.",
  "conversation.changed":
    "A conversation is new, or something about it or its last message changed.",
  "transfer.changed": "History is being moved between devices of the account, or no longer is.",
  "presence.changed": "Somebody came, went, or a direct channel to them opened or closed.",
  "typing.changed": "Somebody began or stopped typing.",
  alert: "A message to show a notification of, here and on no other device of the account.",
  "connection.changed": "The state of the connection changed.",
  "settings.changed": "The settings changed.",
} as const;

export interface Events {
  "account.changed": Account;
  "devices.changed": { readonly devices: readonly Device[] };
  "message.added": Message;
  "message.updated": Message;
  "message.removed": { readonly conversationId: ConversationId; readonly messageId: MessageId };
  "conversation.changed": Conversation;
  "transfer.changed": { readonly transfers: readonly Transfer[] };
  "presence.changed": PresenceState;
  "typing.changed": {
    readonly conversationId: ConversationId;
    readonly handle: string;
    readonly active: boolean;
  };
  alert: Alert;
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
