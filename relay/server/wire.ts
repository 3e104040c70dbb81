import type { WebSocket } from "ws";
import type { ClientWire } from "../core/ports.js";
import { CLOSE_GRACE_MS } from "./bounds.js";

/** A ws connection as the relay core sees it. */
export class WebSocketWire implements ClientWire {
  readonly #socket: WebSocket;
  /** The relay, and the rate limit of the address: it is read only while neither holds it back. */
  #holds = 0;
  #closing = false;
  #resting: NodeJS.Timeout | null = null;

  constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  get bufferedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  get resting(): boolean {
    return this.#resting !== null;
  }

  send(frame: Uint8Array): void {
    this.#socket.send(frame, { binary: true }, () => {
      // A failed send is followed by the socket's own close event.
    });
  }

  close(code: number, reason: string): void {
    this.#closing = true;
    // A held-back socket would not read the other side's close frame.
    this.#socket.resume();
    this.#socket.close(code, reason);
    setTimeout(() => this.#socket.terminate(), CLOSE_GRACE_MS).unref();
  }

  pause(): void {
    if (this.#holds++ === 0 && !this.#closing) this.#socket.pause();
  }

  resume(): void {
    if (--this.#holds === 0 && !this.#closing) this.#socket.resume();
  }

  /** Reads nothing for so long from now; also where it was to be for less. */
  rest(milliseconds: number): void {
    if (this.#resting) clearTimeout(this.#resting);
    else this.pause();
    this.#resting = setTimeout(() => {
      this.#resting = null;
      this.resume();
    }, milliseconds).unref();
  }
}
