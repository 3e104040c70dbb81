/**
 * The loaded stretch of a conversation: without holes, in the one order, bounded. Pure, so that
 * paging, late arrivals and messages that change place are tested without a page.
 */
import type { Message } from "../../../shared/client-api.js";
import { compareMessages } from "../../../shared/message-order.js";

/** Messages kept in memory for one conversation: some twenty screens either way. */
export const MAX_LOADED = 1_000;
/** Messages asked for at a time. */
export const PAGE = 100;

export interface Loaded {
  readonly messages: readonly Message[];
  /** Whether the first message of the conversation is loaded. */
  readonly atStart: boolean;
  /** Whether the newest message is loaded; only then do new ones join. */
  readonly atEnd: boolean;
}

export const nothingLoaded: Loaded = { messages: [], atStart: false, atEnd: false };

/** What events told about messages since a page was asked for: newer than the page. */
export type Overrides = ReadonlyMap<string, Message>;

function union(a: readonly Message[], b: readonly Message[], overrides: Overrides): Message[] {
  const byId = new Map<string, Message>();
  for (const message of [...a, ...b]) {
    byId.set(message.messageId, overrides.get(message.messageId) ?? message);
  }
  return [...byId.values()].sort(compareMessages);
}

/** Of what events told, what joins without opening a hole: an update may be about any old message. */
function arrivedAfter(limit: Message | undefined, overrides: Overrides): Message[] {
  const told = [...overrides.values()];
  return limit ? told.filter((message) => compareMessages(message, limit) > 0) : told;
}

export function withNewest(page: readonly Message[], asked: number, overrides: Overrides): Loaded {
  const atStart = page.length < asked;
  return {
    messages: union(page, arrivedAfter(atStart ? undefined : page[0], overrides), overrides),
    atStart,
    atEnd: true,
  };
}

export function withOlder(
  loaded: Loaded,
  page: readonly Message[],
  asked: number,
  overrides: Overrides,
): Loaded {
  const messages = union(page, loaded.messages, overrides);
  return {
    messages: messages.slice(0, MAX_LOADED),
    atStart: page.length < asked,
    atEnd: loaded.atEnd && messages.length <= MAX_LOADED,
  };
}

export function withNewer(
  loaded: Loaded,
  page: readonly Message[],
  asked: number,
  overrides: Overrides,
): Loaded {
  const atEnd = page.length < asked;
  const arrived = atEnd ? arrivedAfter(loaded.messages.at(-1), overrides) : [];
  const messages = union(loaded.messages, [...page, ...arrived], overrides);
  return {
    messages: messages.slice(-MAX_LOADED),
    atStart: loaded.atStart && messages.length <= MAX_LOADED,
    atEnd,
  };
}

/** A page about a message. Whether more stands beyond its ends is found out by asking there. */
export function withAround(page: readonly Message[], overrides: Overrides): Loaded {
  return { messages: union(page, [], overrides), atStart: false, atEnd: false };
}

/** One that is not shown any more. */
export function withoutMessage(loaded: Loaded, messageId: string): Loaded {
  const messages = loaded.messages.filter((message) => message.messageId !== messageId);
  return messages.length === loaded.messages.length ? loaded : { ...loaded, messages };
}

/** Where the message belongs among sorted messages. */
function placeOf(messages: readonly Message[], message: Message): number {
  let low = 0;
  let high = messages.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const other = messages[middle];
    if (other && compareMessages(other, message) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** A new or changed message. One outside the loaded stretch leaves it as it is. */
export function withMessage(loaded: Loaded, message: Message, trimStart: boolean): Loaded {
  const rest = loaded.messages.filter((other) => other.messageId !== message.messageId);
  const known = rest.length < loaded.messages.length;
  const place = placeOf(rest, message);
  const beforeFirst = place === 0 && !loaded.atStart && rest.length > 0;
  const afterLast = place === rest.length && !loaded.atEnd;
  // A known message stays even at the edge: taking it away would open a hole in what is on screen.
  if (!known && (beforeFirst || afterLast)) return loaded;
  const messages = rest.toSpliced(place, 0, message);
  if (messages.length <= MAX_LOADED || !trimStart) return { ...loaded, messages };
  return { messages: messages.slice(-MAX_LOADED), atStart: false, atEnd: loaded.atEnd };
}
