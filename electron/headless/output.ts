import type { Writable } from "node:stream";

/**
 * Bytes that may wait for the reader. Requests are not read while it is behind at all, so only
 * events come together here: 64 MiB are some 100,000 messages.
 */
const MAX_WAITING_BYTES = 64 * 1024 * 1024;

/** Lines for a reader that may be slow, or go away. */
export class LineOutput {
  /** Resolves, with the reason, when there is nobody to write for any more. */
  readonly lost: Promise<string>;
  readonly #stream: Writable;
  readonly #maxWaitingBytes: number;
  #lose: (reason: string) => void = () => undefined;

  constructor(stream: Writable, maxWaitingBytes = MAX_WAITING_BYTES) {
    this.#stream = stream;
    this.#maxWaitingBytes = maxWaitingBytes;
    this.lost = new Promise((resolve) => {
      this.#lose = resolve;
    });
    stream.on("error", (error) => this.#lose(error.message));
  }

  write(line: string): void {
    if (this.#stream.writableLength > this.#maxWaitingBytes) this.#lose("nobody reads the output");
    else this.#stream.write(`${line}\n`);
  }

  /** Resolves when the reader has caught up, or has gone. */
  async caughtUp(): Promise<void> {
    if (!this.#stream.writableNeedDrain) return;
    const drained = new Promise((resolve) => this.#stream.once("drain", resolve));
    await Promise.race([drained, this.lost]);
  }

  /** Resolves when everything written has left this process, or cannot. */
  async flushed(): Promise<void> {
    const written = new Promise((resolve) => this.#stream.write("", resolve));
    await Promise.race([written, this.lost]);
  }
}
