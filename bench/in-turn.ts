/**
 * A machine full of clients has fewer processors than they have in life, where each is on one of its own.
 * Let loose on it all at once, their handshakes would take so long that the relay gives them up.
 */
import type { RelayDialer, RelayWire } from "../electron/client/ports.js";

/** Frames of the relay in a handshake: `challenge` and `welcome`. */
const HANDSHAKE_FRAMES = 2;

/**
 * Lets so many handshakes go on at once, and others begin when those have ended: the last that came first,
 * because a client whose handshake has not begun for long is about to give it up.
 */
export function inTurn(dialer: RelayDialer, atOnce: number): RelayDialer {
  const waiting = new Set<() => void>();
  let going = 0;
  const next = (): void => {
    while (going < atOnce) {
      const begin = [...waiting].at(-1);
      if (!begin) return;
      waiting.delete(begin);
      going++;
      begin();
    }
  };
  return {
    dial(url, events) {
      let wire: RelayWire | null = null;
      let frames = 0;
      let over = false;
      const ended = (): void => {
        if (over) return;
        over = true;
        going--;
        next();
      };
      const begin = (): void => {
        wire = dialer.dial(url, {
          open: events.open,
          frame(bytes) {
            events.frame(bytes);
            if (++frames === HANDSHAKE_FRAMES) ended();
          },
          closed(code, reason, retryAfterMs) {
            ended();
            events.closed(code, reason, retryAfterMs);
          },
        });
      };
      waiting.add(begin);
      next();
      return {
        send: (frame) => wire?.send(frame),
        close() {
          waiting.delete(begin);
          wire?.close();
        },
      };
    },
  };
}
