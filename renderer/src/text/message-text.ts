/** A message's text in pieces: links, links to messages, mentions, and what one searches for. */
import type { Message } from "../../../shared/client-api.js";
import { type MessageId, parseMessageId } from "../../../shared/ids.js";
import { linkPieces } from "./links.js";

export interface TextPiece {
  readonly text: string;
  /** An http or https address. */
  readonly href?: string;
  /** A link to a message. */
  readonly messageId?: MessageId;
  /** A link into a group. */
  readonly invite?: true;
  /** The handle of whom it names. */
  readonly mention?: string;
  /** Whether it is among the words that one searches for. */
  readonly found?: boolean;
}

const MESSAGE_LINK = /dovetail:message\?id=([0-9a-f]{32}\.[0-9a-f]{32}\.[1-9][0-9]{0,14})(?!\d)/g;
const INVITE_LINK = /dovetail:join\?[\w.~%&=:/-]*code=[0-9a-z]{12}(?![0-9a-z])/gi;
const MENTION = /(?<![a-z0-9_])@([a-z][a-z0-9_]{2,31})(?![a-z0-9_])/gi;

export const messageLink = (messageId: MessageId): string => `dovetail:message?id=${messageId}`;

/** Cuts the plain pieces once more at each match that `toPiece` takes. */
function cut(
  pieces: readonly TextPiece[],
  pattern: RegExp,
  toPiece: (match: RegExpMatchArray) => TextPiece | null,
): TextPiece[] {
  return pieces.flatMap((piece) => {
    if (Object.keys(piece).length > 1) return [piece];
    const { text } = piece;
    const cuts: TextPiece[] = [];
    let from = 0;
    for (const match of text.matchAll(pattern)) {
      const taken = toPiece(match);
      if (!taken || match.index === undefined) continue;
      if (match.index > from) cuts.push({ text: text.slice(from, match.index) });
      cuts.push(taken);
      from = match.index + match[0].length;
    }
    if (from < text.length) cuts.push({ text: text.slice(from) });
    return cuts;
  });
}

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** The words of a search, as one pattern; null without any. */
function wordsPattern(query: string): RegExp | null {
  const words = query.split(/\s+/).filter((word) => word !== "");
  // The longest first, or a shorter one would leave the rest of it unmarked.
  words.sort((a, b) => b.length - a.length);
  return words.length === 0 ? null : new RegExp(words.map(escaped).join("|"), "giu");
}

/** The pieces joined give the text again. */
export function textPieces(
  message: Pick<Message, "text" | "mentions">,
  query: string,
): readonly TextPiece[] {
  const links = linkPieces(message.text).map(({ text, href }) =>
    href === null ? { text } : { text, href },
  );
  const withLinks = cut(links, MESSAGE_LINK, (match) =>
    match[1] !== undefined && parseMessageId(match[1])
      ? { text: match[0], messageId: match[1] as MessageId }
      : null,
  );
  const named = new Set(message.mentions.map(({ handle }) => handle));
  const withInvites = cut(withLinks, INVITE_LINK, ([text]) => ({ text, invite: true }));
  const withMentions = cut(withInvites, MENTION, (match) => {
    const handle = match[1]?.toLowerCase() ?? "";
    return named.has(handle) ? { text: match[0], mention: handle } : null;
  });
  const found = wordsPattern(query);
  return found ? cut(withMentions, found, ([text]) => ({ text, found: true })) : withMentions;
}
