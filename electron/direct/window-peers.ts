/** The window's side: opens the peers that main asks for and carries their events back. */
import type { DirectChannel } from "../client/ports.js";
import { openPeer } from "./peer.js";
import { type FromWindow, type ToWindow, toWindow } from "./window-messages.js";

/** Of an `Error` whose message names no bound. */
const MAX_REASON_LENGTH = 1024;

export class WindowPeers {
  readonly #post: (message: FromWindow) => void;
  readonly #open: typeof openPeer;
  readonly #channels = new Map<number, DirectChannel>();

  constructor(post: (message: FromWindow) => void, open: typeof openPeer = openPeer) {
    this.#post = post;
    this.#open = open;
  }

  /** @throws when main says what it never says: the two are of one build. */
  receive(data: unknown): void {
    const message = toWindow.parse(data);
    if (message.kind === "open") this.#openChannel(message);
    else this.#tell(message);
  }

  #tell(message: Exclude<ToWindow, { kind: "open" }>): void {
    const { channel } = message;
    // A channel that has ended here may still be spoken to by main, which learns it later.
    const peer = this.#channels.get(channel);
    if (message.kind === "signal") peer?.signal(message.payload);
    else if (message.kind === "close") peer?.close();
    else {
      peer?.send(message.message);
      this.#post({ kind: "taken", channel, bytes: message.message.length });
    }
  }

  #openChannel({ channel, ...options }: Extract<ToWindow, { kind: "open" }>): void {
    const peer = this.#open(options, {
      signal: (payload) => this.#post({ kind: "signal", channel, payload }),
      open: () => this.#post({ kind: "open", channel }),
      message: (message) => this.#post({ kind: "message", channel, message }),
      closed: (reason) => {
        this.#channels.delete(channel);
        this.#post({ kind: "closed", channel, reason: reason.slice(0, MAX_REASON_LENGTH) });
      },
    });
    this.#channels.set(channel, peer);
  }
}
