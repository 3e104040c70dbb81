/** Main's side of the WebRTC window: a DirectTransport whose channels live in another process. */
import type { Clock, Log, Timer } from "../../shared/runtime.js";
import type { DirectChannel, DirectChannelEvents, DirectTransport } from "../client/ports.js";
import { type FromWindow, fromWindow, type ToWindow } from "./window-messages.js";

/** Bytes on their way to the window. More means that it hangs. */
const MAX_UNTAKEN_BYTES = 8 * 1024 * 1024;
/** A window that crashed is opened again after a while, and after twice as long the next time. */
const FIRST_REOPEN_MS = 250;
const LONGEST_REOPEN_MS = 60_000;

export interface DirectWindow {
  post(message: ToWindow): void;
  /** Ends the window; `gone` need not follow. */
  close(): void;
}

export interface DirectWindowEvents {
  message(data: unknown): void;
  /** It crashed, hung or was closed. Nothing comes after it. */
  gone(reason: string): void;
}

/** Reports no event before it has returned. */
export type OpenDirectWindow = (events: DirectWindowEvents) => DirectWindow;

interface Channel {
  readonly events: DirectChannelEvents;
  untaken: number;
}

export class WindowTransport implements DirectTransport {
  readonly #openWindow: OpenDirectWindow;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #channels = new Map<number, Channel>();
  #window: DirectWindow | null = null;
  #reopening: Timer | null = null;
  #crashes = 0;
  #lastChannel = 0;
  #closed = false;

  constructor(openWindow: OpenDirectWindow, clock: Clock, log: Log) {
    this.#openWindow = openWindow;
    this.#clock = clock;
    this.#log = log;
    this.#start();
  }

  get available(): boolean {
    return this.#window !== null;
  }

  open(
    options: Parameters<DirectTransport["open"]>[0],
    events: DirectChannelEvents,
  ): DirectChannel {
    const channel = ++this.#lastChannel;
    const state: Channel = { events, untaken: 0 };
    this.#channels.set(channel, state);
    if (this.#window) {
      const iceServers = options.iceServers.map((server) => ({
        ...server,
        urls: [...server.urls],
      }));
      this.#post({ kind: "open", channel, initiator: options.initiator, iceServers });
    } else {
      queueMicrotask(() => this.#end(channel, "there is no WebRTC window"));
    }
    return {
      signal: (payload) => {
        if (this.#channels.has(channel)) this.#post({ kind: "signal", channel, payload });
      },
      send: (message) => {
        if (!this.#channels.has(channel)) return;
        state.untaken += message.length;
        if (state.untaken > MAX_UNTAKEN_BYTES) {
          this.#post({ kind: "close", channel });
          this.#end(channel, "the WebRTC window is too slow");
        } else this.#post({ kind: "send", channel, message });
      },
      close: () => {
        if (!this.#channels.has(channel)) return;
        this.#post({ kind: "close", channel });
        this.#end(channel, "closed here");
      },
    };
  }

  close(): void {
    this.#closed = true;
    this.#reopening?.cancel();
    const window = this.#window;
    this.#window = null;
    this.#endAll("closing");
    window?.close();
  }

  #start(): void {
    const window: DirectWindow = this.#openWindow({
      message: (data) => {
        if (this.#window === window) this.#receive(data);
      },
      gone: (reason) => {
        if (this.#window === window) this.#lose(reason);
      },
    });
    this.#window = window;
  }

  #receive(data: unknown): void {
    const parsed = fromWindow.safeParse(data);
    if (parsed.success) {
      this.#deliver(parsed.data);
      return;
    }
    // It says what its code never says: somebody else's code may run in it.
    this.#window?.close();
    this.#lose("it sent something malformed");
  }

  #deliver(message: FromWindow): void {
    const { channel } = message;
    // What main has ended already may still be spoken of.
    const state = this.#channels.get(channel);
    if (!state) return;
    if (message.kind === "signal") state.events.signal(message.payload);
    else if (message.kind === "message") state.events.message(message.message);
    else if (message.kind === "taken") state.untaken -= message.bytes;
    else if (message.kind === "closed") this.#end(channel, message.reason);
    else {
      this.#crashes = 0;
      state.events.open();
    }
  }

  #lose(reason: string): void {
    this.#log.error("the WebRTC window is gone", { reason });
    this.#window = null;
    this.#endAll(`the WebRTC window is gone: ${reason}`);
    if (this.#closed) return;
    const delay = Math.min(LONGEST_REOPEN_MS, FIRST_REOPEN_MS * 2 ** this.#crashes++);
    this.#reopening = this.#clock.after(delay, () => this.#start());
  }

  #post(message: ToWindow): void {
    this.#window?.post(message);
  }

  #end(channel: number, reason: string): void {
    const state = this.#channels.get(channel);
    if (!state) return;
    this.#channels.delete(channel);
    state.events.closed(reason);
  }

  #endAll(reason: string): void {
    for (const channel of [...this.#channels.keys()]) this.#end(channel, reason);
  }
}
