/** A part of a group's log: the entries at whose place somebody was a member. */
export interface Span {
  /** The entry that added the member. */
  readonly from: number;
  /** The entry that removed it; null for a member. */
  readonly to: number | null;
}

export const WHOLE_LOG: readonly Span[] = [{ from: 1, to: null }];

/** The last seq that is inside; 0 for none. */
export function lastOf(spans: readonly Span[], head: number): number {
  const last = spans.at(-1);
  return last ? (last.to ?? head) : 0;
}

/** From that seq on, the first piece that is inside; null where nothing is. */
export function pieceFrom(spans: readonly Span[], fromSeq: number, head: number): Span | null {
  for (const { from, to } of spans) {
    const piece = { from: Math.max(from, fromSeq), to };
    if (piece.from <= (to ?? head)) return piece;
  }
  return null;
}

export const covers = (spans: readonly Span[], seq: number): boolean =>
  spans.some(({ from, to }) => from <= seq && seq <= (to ?? seq));

/** At most `max`, the oldest forgotten first. */
export const joinedAt = (spans: readonly Span[], seq: number, max: number): readonly Span[] =>
  [...spans, { from: seq, to: null }].slice(-max);

export const leftAt = (spans: readonly Span[], seq: number): readonly Span[] =>
  spans.map((span) => (span.to === null ? { ...span, to: seq } : span));
