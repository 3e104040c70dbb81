/**
 * What people asked for and what may have come of it. Every such thing is a register that the latest
 * writing wins; clocks decide between devices, but a device never loses to what it wrote before.
 */
export interface Wish<T> {
  readonly device: string;
  readonly value: T;
  /** When it was told to be done, counted; null for never, and done perhaps all the same. */
  accepted: number | null;
}

export class Wishes<T extends string | boolean> {
  readonly #wishes = new Map<string, Wish<T>[]>();
  #accepted = 0;

  /** `thing` is asked to become `value`. */
  async make(
    thing: string,
    device: string,
    value: T,
    asked: () => Promise<unknown>,
  ): Promise<void> {
    const wish: Wish<T> = { device, value, accepted: null };
    const known = this.#wishes.get(thing);
    if (known) known.push(wish);
    else this.#wishes.set(thing, [wish]);
    await asked();
    wish.accepted = ++this.#accepted;
  }

  of(thing: string): readonly Wish<T>[] {
    return this.#wishes.get(thing) ?? [];
  }

  /** Whether it may have that value: `initial` only where nothing was accepted. */
  explains(thing: string, value: T, initial: T): boolean {
    const wishes = this.of(thing);
    const accepted = wishes.filter((wish) => wish.accepted !== null);
    if (value === initial && accepted.length === 0) return true;
    const last = new Map<string, number>();
    for (const { device, accepted: at } of accepted) {
      last.set(device, Math.max(last.get(device) ?? 0, at as number));
    }
    return wishes.some(
      (wish) =>
        wish.value === value && (wish.accepted === null || wish.accepted === last.get(wish.device)),
    );
  }
}
