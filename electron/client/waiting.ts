import { DovetailError } from "../../shared/errors.js";
import type { Clock } from "../../shared/runtime.js";

/** How long a call that needs the relay waits for a connection that is being made. */
const CONNECT_MS = 10_000;

/** Calls that wait for the connection to change. */
export class Waiting {
  readonly #clock: Clock;
  readonly #watchers = new Set<() => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** To be called whenever the connection's state changed. */
  changed(): void {
    for (const watcher of [...this.#watchers]) watcher();
  }

  /**
   * Resolves when the condition, asked at every change, holds.
   * @throws what the condition throws; DovetailError `relay_unreachable` when it takes too long.
   */
  until(condition: () => boolean, ms = CONNECT_MS): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (action: () => void) => {
        this.#watchers.delete(watcher);
        timer.cancel();
        action();
      };
      const watcher = () => {
        try {
          if (condition()) settle(resolve);
        } catch (error) {
          settle(() => reject(error));
        }
      };
      const timer = this.#clock.after(ms, () => {
        settle(() => reject(new DovetailError("relay_unreachable")));
      });
      this.#watchers.add(watcher);
      watcher();
    });
  }
}
