export interface Piece {
  readonly text: string;
  /** An http or https address, or null for plain text. */
  readonly href: string | null;
}

const CANDIDATE = /https?:\/\/[^\s<>"'`]+/gi;
const CLOSES: Readonly<Record<string, string>> = { ")": "(", "]": "[", "}": "{" };

const count = (text: string, character: string): number => text.split(character).length - 1;

/** Punctuation after an address belongs to the sentence, a bracket only when the address opened none. */
function withoutTrailing(candidate: string): string {
  let end = candidate.length;
  while (end > 0) {
    const last = candidate.charAt(end - 1);
    const opens = CLOSES[last];
    const part = candidate.slice(0, end);
    const dangling = opens ? count(part, last) > count(part, opens) : /[.,;:!?…*_~]/.test(last);
    if (!dangling) break;
    end--;
  }
  return candidate.slice(0, end);
}

function safeHref(candidate: string): string | null {
  if (!URL.canParse(candidate)) return null;
  const url = new URL(candidate);
  // User info serves to disguise the host ("https://bank.example@evil.example").
  const plain = url.username === "" && url.password === "" && url.hostname !== "";
  return plain && (url.protocol === "http:" || url.protocol === "https:") ? url.href : null;
}

/** Cuts text into plain pieces and links; the pieces joined give the text again. */
export function linkPieces(text: string): Piece[] {
  const pieces: Piece[] = [];
  let plainFrom = 0;
  for (const match of text.matchAll(CANDIDATE)) {
    const candidate = withoutTrailing(match[0]);
    const href = safeHref(candidate);
    if (href === null) continue;
    if (match.index > plainFrom)
      pieces.push({ text: text.slice(plainFrom, match.index), href: null });
    pieces.push({ text: candidate, href });
    plainFrom = match.index + candidate.length;
  }
  if (plainFrom < text.length) pieces.push({ text: text.slice(plainFrom), href: null });
  return pieces;
}
