import { createRequire } from "node:module";
import type { Log } from "../../shared/runtime.js";
import type { DirectTransport } from "../client/ports.js";
import { openPeer, type WebRtc } from "./peer.js";

/**
 * Direct channels in a Node process, by @roamhq/wrtc. Its native part exists for common platforms
 * only: elsewhere messages go through the relay.
 */
export function nodeTransport(log: Log): DirectTransport {
  let wrtc: WebRtc | undefined;
  try {
    wrtc = createRequire(import.meta.url)("@roamhq/wrtc") as WebRtc;
  } catch (error) {
    log.warn("no WebRTC on this platform: messages go through the relay", { error: String(error) });
  }
  return {
    available: wrtc !== undefined,
    open: (options, events) => openPeer({ ...options, ...(wrtc && { wrtc }) }, events),
  };
}
