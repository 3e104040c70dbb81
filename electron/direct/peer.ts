/**
 * The one file that knows simple-peer (9.11.1, last changed in 2022). It gives the DirectChannel
 * contract in Node, with a WebRTC implementation passed in, and in a browser window, with its own.
 */
import SimplePeer from "simple-peer";
import { z } from "zod";
import { fromUtf8, utf8 } from "../../shared/bytes.js";
import type { IceServer } from "../../shared/protocol.js";
import {
  type DirectChannel,
  type DirectChannelEvents,
  MAX_DIRECT_FRAME_BYTES,
} from "../client/ports.js";

/** Bytes that may wait on a channel. simple-peer's own queue ends at 16 MiB with an exception. */
const MAX_QUEUED_BYTES = 8 * 1024 * 1024;

/** What simple-peer's `signal` takes and gives (its README, "signal" event). */
const signalData = z.union([
  z.object({ type: z.enum(["offer", "answer", "pranswer", "rollback"]), sdp: z.string() }),
  z.object({
    type: z.literal("candidate").optional(),
    candidate: z.object({
      candidate: z.string(),
      sdpMLineIndex: z.number().nullish(),
      sdpMid: z.string().nullish(),
    }),
  }),
  z.object({ type: z.literal("renegotiate").optional(), renegotiate: z.literal(true) }),
]);

/** A WebRTC implementation, as @roamhq/wrtc is one. */
export type WebRtc = NonNullable<SimplePeer.Options["wrtc"]>;

export interface PeerOptions {
  readonly initiator: boolean;
  readonly iceServers: readonly IceServer[];
  /** Where the platform has no WebRTC of its own. */
  readonly wrtc?: WebRtc;
}

export function openPeer(options: PeerOptions, events: DirectChannelEvents): DirectChannel {
  const peer = new SimplePeer({
    initiator: options.initiator,
    trickle: true,
    config: { iceServers: options.iceServers.map(rtcIceServer) },
    ...(options.wrtc && { wrtc: options.wrtc }),
  });
  let over = false;
  let queued = 0;

  const end = (reason: string) => {
    if (over) return;
    over = true;
    peer.destroy();
    events.closed(reason);
  };
  peer.on("signal", (data) => {
    if (!over) events.signal(utf8(JSON.stringify(data)));
  });
  peer.on("connect", () => {
    if (!over) events.open();
  });
  peer.on("data", (data: Uint8Array) => {
    if (!over) events.message(new Uint8Array(data));
  });
  peer.on("iceStateChange", (state: string) => {
    // The core opens a new channel faster than ICE finds out that this one has failed.
    if (state === "disconnected" || state === "failed") end("ice disconnected");
  });
  // The other side's end arrives as an error as often as not.
  peer.on("error", (error) => end(error.message));
  peer.on("close", () => end("closed"));

  return {
    signal(payload) {
      if (over) return;
      try {
        peer.signal(signalData.parse(JSON.parse(fromUtf8(payload))) as SimplePeer.SignalData);
      } catch {
        end("malformed signal");
      }
    },
    send(message) {
      if (over) return;
      if (message.length > MAX_DIRECT_FRAME_BYTES) throw new RangeError("message too large");
      queued += message.length;
      if (queued > MAX_QUEUED_BYTES) {
        end("too slow");
        return;
      }
      peer.write(message, () => {
        queued -= message.length;
      });
    },
    close: () => {
      // What was written just before, a goodbye, is given the chance to leave.
      if (over) return;
      over = true;
      peer.end();
      events.closed("closed here");
    },
  };
}

const rtcIceServer = ({ urls, username, credential }: IceServer): RTCIceServer => ({
  urls: [...urls],
  ...(username !== null && { username }),
  ...(credential !== null && { credential }),
});
