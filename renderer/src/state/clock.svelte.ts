const TICK_MS = 1_000;

/**
 * The present, for what is shown relative to it. One ticking source; a reader that shows minutes
 * re-renders only when its words change, because it derives them.
 */
export class PresentTime {
  now = $state(Date.now());
  readonly #timer: ReturnType<typeof setInterval>;

  constructor() {
    this.#timer = setInterval(() => {
      this.now = Date.now();
    }, TICK_MS);
  }

  close(): void {
    clearInterval(this.#timer);
  }
}
