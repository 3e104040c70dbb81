/**
 * Where rows stand when only those near the viewport exist: heights measured once rendered,
 * estimated before, and an anchor that tells where to scroll so that nothing on screen moves.
 * All lengths are CSS pixels.
 */
export interface Anchor {
  readonly id: string;
  /** From the top of the viewport to the top of the row; negative for one that is cut off. */
  readonly offset: number;
}

export interface Range {
  readonly first: number;
  /** One past the last. */
  readonly last: number;
}

export class RowLayout {
  #ids: readonly string[] = [];
  #index = new Map<string, number>();
  #measured = new Map<string, number>();
  #estimate: (index: number) => number = () => 0;
  /** `#tops[i]` is the top of row i; one more gives the total. */
  #tops: number[] = [0];
  #stale = false;

  /** Keeps the measured heights of the rows that stay and forgets the others. */
  setRows(ids: readonly string[], estimate: (index: number) => number): void {
    const measured = new Map<string, number>();
    for (const id of ids) {
      const height = this.#measured.get(id);
      if (height !== undefined) measured.set(id, height);
    }
    this.#ids = ids;
    this.#index = new Map(ids.map((id, i) => [id, i]));
    this.#measured = measured;
    this.#estimate = estimate;
    this.#stale = true;
  }

  /** Whether that changed the layout. Differences below half a pixel are rounding. */
  measure(id: string, height: number): boolean {
    const index = this.#index.get(id);
    if (index === undefined) return false;
    const before = this.#measured.get(id);
    this.#measured.set(id, height);
    const changed = Math.abs((before ?? this.#estimate(index)) - height) >= 0.5;
    if (changed || before === undefined) this.#stale = true;
    return changed;
  }

  /** After a change of width no height holds. */
  forgetHeights(): void {
    this.#measured.clear();
    this.#stale = true;
  }

  get total(): number {
    return this.#layout()[this.#ids.length] ?? 0;
  }

  topAt(index: number): number {
    return this.#layout()[index] ?? this.total;
  }

  topOf(id: string): number | null {
    const index = this.#index.get(id);
    return index === undefined ? null : this.topAt(index);
  }

  /** The rows that touch the stretch from `top` to `bottom`. */
  range(top: number, bottom: number): Range {
    const first = this.#rowAt(top);
    let last = first;
    while (last < this.#ids.length && this.topAt(last) < bottom) last++;
    return { first, last };
  }

  /**
   * The first row that begins inside the viewport, or the one that fills it. A row that is cut off
   * above is a bad anchor: when its height settles, what stands below it would move.
   */
  anchor(scrollTop: number, viewport: number, eligible: (id: string) => boolean): Anchor | null {
    const { first, last } = this.range(scrollTop, scrollTop + viewport);
    let cutOff: Anchor | null = null;
    for (let i = first; i < last; i++) {
      const id = this.#ids[i];
      if (id === undefined || !eligible(id)) continue;
      const offset = this.topAt(i) - scrollTop;
      if (offset >= 0) return { id, offset };
      cutOff = { id, offset };
    }
    return cutOff;
  }

  /** Null when the row is gone. */
  scrollTopFor(anchor: Anchor): number | null {
    const top = this.topOf(anchor.id);
    return top === null ? null : top - anchor.offset;
  }

  #rowAt(y: number): number {
    const tops = this.#layout();
    let low = 0;
    let high = Math.max(0, this.#ids.length - 1);
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((tops[middle] ?? 0) <= y) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #layout(): readonly number[] {
    if (!this.#stale) return this.#tops;
    const tops = [0];
    let top = 0;
    this.#ids.forEach((id, i) => {
      top += this.#measured.get(id) ?? this.#estimate(i);
      tops.push(top);
    });
    this.#tops = tops;
    this.#stale = false;
    return tops;
  }
}
