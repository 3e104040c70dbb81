import { WebSocket } from "ws";
import { MAX_FRAME_BYTES } from "../../shared/limits.js";
import type { RelayDialer } from "../client/ports.js";

/** From dialling to the end of the WebSocket's own handshake. */
const HANDSHAKE_MS = 10_000;
/** Bytes that may wait for the network: eight full frames. More means that the connection is dead. */
const MAX_BUFFERED_BYTES = 8 * MAX_FRAME_BYTES;
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
    const end = (code: number, reason: string) => {
      if (over) return;
      over = true;
      events.closed(code, reason);
    };
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
