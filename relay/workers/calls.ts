import type { Clock, Timer } from "../../shared/runtime.js";
import { MAX_CALLS, MAX_WAITING_BYTES } from "./bounds.js";

interface Call {
  readonly seat: number;
  readonly body: Uint8Array;
  readonly timer: Timer;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** Questions to other workers that have no answer yet: of each worker so many, and so many bytes. */
export class Calls {
  readonly #clock: Clock;
  readonly #calls = new Map<number, Call>();
  readonly #loads = new Map<number, { count: number; bytes: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether that worker may be asked one more of that size. One is never too large by itself. */
  hasRoom(seat: number, bytes: number): boolean {
    const load = this.#loads.get(seat);
    return !load || (load.count < MAX_CALLS && load.bytes + bytes <= MAX_WAITING_BYTES);
  }

  /** Resolves with its answer; rejects with what `late` gives after `patienceMs`. */
  add(
    id: number,
    { seat, body }: { seat: number; body: Uint8Array },
    patienceMs: number,
    late: () => unknown,
  ): Promise<unknown> {
    const load = this.#loads.get(seat) ?? { count: 0, bytes: 0 };
    this.#loads.set(seat, { count: load.count + 1, bytes: load.bytes + body.length });
    return new Promise((resolve, reject) => {
      const timer = this.#clock.after(patienceMs, () => this.take(id)?.reject(late()));
      this.#calls.set(id, { seat, body, timer, resolve, reject });
    });
  }

  /** It is not waited for any more; undefined where it was not, or where it was for another worker. */
  take(id: number, seat?: number): Call | undefined {
    const call = this.#calls.get(id);
    if (!call || (seat !== undefined && call.seat !== seat)) return undefined;
    this.#calls.delete(id);
    call.timer.cancel();
    const load = this.#loads.get(call.seat);
    if (!load || load.count === 1) this.#loads.delete(call.seat);
    else {
      load.count -= 1;
      load.bytes -= call.body.length;
    }
    return call;
  }

  /** In the order in which they were asked. */
  bodiesFor(seat: number): Uint8Array[] {
    return [...this.#calls.values()].filter((call) => call.seat === seat).map(({ body }) => body);
  }

  rejectAll(error: (seat: number) => unknown): void {
    for (const [id, { seat }] of [...this.#calls]) this.take(id)?.reject(error(seat));
  }
}
