import type { Message } from "../../../shared/client-api.js";

/** One message with what stands above it and how it joins its neighbours. */
export interface Row {
  readonly id: string;
  readonly message: Message;
  /** Whether a day separator stands above. */
  readonly newDay: boolean;
  /** Whether the line between read and unread stands above. */
  readonly unreadLine: boolean;
  readonly firstOfGroup: boolean;
  readonly lastOfGroup: boolean;
}

const MINUTE_MS = 60_000;

const sameDay = (a: number, b: number): boolean =>
  new Date(a).toDateString() === new Date(b).toDateString();

const joined = (a: Message, b: Message): boolean =>
  !a.notice &&
  !b.notice &&
  a.from === b.from &&
  Math.floor(a.sentAt / MINUTE_MS) === Math.floor(b.sentAt / MINUTE_MS);

/** Groups by sender and minute; a day separator or the unread line ends a group. */
export function toRows(messages: readonly Message[], firstUnread: string | null): Row[] {
  const breaks = messages.map((message, i) => {
    const previous = messages[i - 1];
    const newDay = !previous || !sameDay(previous.sentAt, message.sentAt);
    const unreadLine = message.messageId === firstUnread;
    const apart = newDay || unreadLine || !previous || !joined(previous, message);
    return { newDay, unreadLine, apart };
  });
  return messages.map((message, i) => ({
    id: message.messageId,
    message,
    newDay: breaks[i]?.newDay ?? false,
    unreadLine: breaks[i]?.unreadLine ?? false,
    firstOfGroup: breaks[i]?.apart ?? true,
    lastOfGroup: breaks[i + 1]?.apart ?? true,
  }));
}

/** The message that the unread line stands above: the n-th newest of the others, if loaded. */
export function firstUnreadOf(messages: readonly Message[], unread: number): string | null {
  let left = unread;
  for (let i = messages.length - 1; i >= 0 && left > 0; i--) {
    const message = messages[i];
    if (message && !message.mine && --left === 0) return message.messageId;
  }
  return null;
}
