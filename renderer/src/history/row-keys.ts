/** The keyboard in the list of messages: the arrow keys go from message to message. */
import type { Row } from "./rows.js";

/** Less of a row than this in sight does not count (CSS pixels). */
const LEAST_IN_SIGHT = 24;

/** What is rendered of the list. */
export interface RenderedRows {
  readonly scroller: HTMLElement;
  readonly shown: readonly Row[];
  readonly elements: ReadonlyMap<string, HTMLElement>;
}

/** From the list to the last message in sight, from what stands in a message back to it by Escape. */
export function rowKey(event: KeyboardEvent, rendered: RenderedRows): void {
  if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const target = event.target as HTMLElement;
  const row = target.closest<HTMLElement>("[data-row]");
  if (event.key === "Escape" && row && target !== row) {
    row.focus();
    event.preventDefault();
    return;
  }
  if (target !== row && target !== rendered.scroller) return;
  const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  if (step === undefined) return;
  event.preventDefault();
  const next = row ? neighbour(rendered, row, step) : lastInSight(rendered);
  next?.focus({ preventScroll: true });
  next?.scrollIntoView({ block: "nearest" });
}

function neighbour(
  { shown, elements }: RenderedRows,
  row: HTMLElement,
  step: number,
): HTMLElement | undefined {
  const at = shown.findIndex(({ id }) => id === row.dataset.row);
  return elements.get(shown[at + step]?.id ?? "");
}

function lastInSight({ scroller, shown, elements }: RenderedRows): HTMLElement | undefined {
  const { bottom } = scroller.getBoundingClientRect();
  const inSight = shown.findLast(({ id }) => {
    const top = elements.get(id)?.getBoundingClientRect().top;
    return top !== undefined && top < bottom - LEAST_IN_SIGHT;
  });
  return elements.get(inSight?.id ?? "");
}
