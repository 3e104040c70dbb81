import type { Clock, Timer } from "../../shared/runtime.js";
import {
  BUFFER_POLL_MS,
  MAX_FLOODED_FRAMES,
  MAX_RUNNING_REQUESTS,
  MAX_WAITING_BYTES,
  MAX_WAITING_FRAMES,
  SOFT_BUFFER_BYTES,
} from "./bounds.js";
import type { ClientWire } from "./ports.js";

/**
 * The frames of one connection on their way to being handled: in the order of arrival, a bounded
 * number at once, and none while the client does not take what was sent to it. What cannot be handled
 * yet holds back the socket.
 */
export class Inbound {
  readonly #wire: ClientWire;
  readonly #clock: Clock;
  /** Starts handling. What it returns says when it is done; `alone` lets nothing start before that. */
  readonly #handle: (frame: Uint8Array) => { done: Promise<void>; alone: boolean } | null;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #running = 0;
  #alone = false;
  #paused = false;
  #poll: Timer | null = null;
  #stopped = false;
  #idle: (() => void)[] = [];
  /** When the client was last in step, in monotonic milliseconds; null while it is. */
  #behindSince: number | null = null;

  constructor(
    wire: ClientWire,
    clock: Clock,
    handle: (frame: Uint8Array) => { done: Promise<void>; alone: boolean } | null,
  ) {
    this.#wire = wire;
    this.#clock = clock;
    this.#handle = handle;
  }

  /** While true, silence says nothing about the client. */
  get holdsBack(): boolean {
    return this.#paused;
  }

  /** Milliseconds since the client stopped taking what was sent to it. */
  get behindMs(): number {
    return this.#behindSince === null ? 0 : this.#clock.monotonic() - this.#behindSince;
  }

  /** False where the client floods beyond every bound. */
  push(frame: Uint8Array): boolean {
    if (this.#stopped) return true;
    this.#waiting.push(frame);
    this.#waitingBytes += frame.length;
    this.#pump();
    return this.#waiting.length <= MAX_FLOODED_FRAMES;
  }

  /** Something was sent: the client may be behind now. */
  sent(): void {
    if (this.#stopped) return;
    if (this.#behindSince === null && this.#wire.bufferedBytes > SOFT_BUFFER_BYTES) {
      this.#behindSince = this.#clock.monotonic();
      this.#pollLater();
      this.#adjust();
    }
  }

  /** What still waits is dropped; it was not acknowledged. */
  stop(): void {
    this.#stopped = true;
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#poll?.cancel();
  }

  /** Resolves once nothing is being handled any more. */
  async idle(): Promise<void> {
    if (this.#running > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #pump(): void {
    while (!this.#alone && this.#behindSince === null && this.#running < MAX_RUNNING_REQUESTS) {
      const frame = this.#waiting.shift();
      if (!frame) break;
      this.#waitingBytes -= frame.length;
      const started = this.#handle(frame);
      if (!started) continue;
      this.#running++;
      this.#alone = started.alone;
      void started.done.finally(() => {
        this.#running--;
        if (started.alone) this.#alone = false;
        if (this.#running === 0) for (const resolve of this.#idle.splice(0)) resolve();
        this.#pump();
      });
    }
    this.#adjust();
  }

  #adjust(): void {
    if (this.#stopped) return;
    const full =
      this.#behindSince !== null ||
      this.#waiting.length >= MAX_WAITING_FRAMES ||
      this.#waitingBytes >= MAX_WAITING_BYTES;
    if (full === this.#paused) return;
    this.#paused = full;
    if (full) this.#wire.pause?.();
    else this.#wire.resume?.();
  }

  #pollLater(): void {
    this.#poll = this.#clock.after(BUFFER_POLL_MS, () => {
      if (this.#wire.bufferedBytes > SOFT_BUFFER_BYTES) return this.#pollLater();
      this.#behindSince = null;
      this.#pump();
    });
  }
}
