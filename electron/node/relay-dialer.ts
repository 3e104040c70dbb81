import type { IncomingHttpHeaders } from "node:http";
import { WebSocket } from "ws";
import { MAX_FRAME_BYTES } from "../../shared/limits.js";
import type { RelayDialer } from "../client/ports.js";

/** From dialling to the end of the WebSocket's own handshake. */
const HANDSHAKE_MS = 10_000;
/** Bytes that may wait for the network: eight full frames. More means that the connection is dead. */
const MAX_BUFFERED_BYTES = 8 * MAX_FRAME_BYTES;
/** Nobody is kept away for longer, whatever stands between here and the relay. */
const LONGEST_RETRY_MS = 10 * 60_000;
/** RFC 6455 §7.4.1: closed without a close frame. */
const ABNORMAL = 1006;

/** Connections to a relay over WebSocket (RFC 6455). */
export const relayDialer: RelayDialer = {
  dial(url, events) {
    let socket: WebSocket;
    try {
      socket = new WebSocket(url, {
        perMessageDeflate: false,
        maxPayload: MAX_FRAME_BYTES,
        handshakeTimeout: HANDSHAKE_MS,
      });
    } catch (error) {
      // Not an address. The events' contract has no other way to say so.
      queueMicrotask(() => events.closed(ABNORMAL, String(error)));
      return { send() {}, close() {} };
    }
    let over = false;
    let failure = "";
    const end = (code: number, reason: string, retryAfterMs?: number) => {
      if (over) return;
      over = true;
      events.closed(code, reason, retryAfterMs);
    };
    // With a listener ws leaves the end of the request to it.
    socket.on("unexpected-response", (request, { statusCode, headers }) => {
      end(ABNORMAL, `The relay answered with HTTP ${statusCode}.`, retryAfter(headers));
      request.destroy();
    });
    socket.on("open", () => {
      if (!over) events.open();
    });
    socket.on("message", (data, isBinary) => {
      if (over) return;
      if (isBinary) events.frame(new Uint8Array(data as Buffer));
      else socket.terminate();
    });
    socket.on("error", (error) => {
      failure = error.message;
    });
    socket.on("close", (code, reason) => end(code, failure || String(reason)));
    return {
      send(frame) {
        if (over || socket.readyState !== WebSocket.OPEN) return;
        if (socket.bufferedAmount > MAX_BUFFERED_BYTES) socket.terminate();
        else socket.send(frame);
      },
      close() {
        end(ABNORMAL, "closed here");
        socket.terminate();
      },
    };
  },
};

/** Milliseconds; RFC 9110 §10.2.3. A date, which a relay never sends, is not read. */
function retryAfter(headers: IncomingHttpHeaders): number | undefined {
  const { "retry-after": seconds = "" } = headers;
  if (!/^\d{1,6}$/.test(seconds)) return undefined;
  return Math.min(Number(seconds) * 1_000, LONGEST_RETRY_MS);
}
