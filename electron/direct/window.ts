/**
 * The page of Electron's never-shown window: WebRTC lives here, so that reloading or closing the
 * visible window drops no channel.
 */
import "./no-eval.js";
import { DIRECT_PORT } from "./port-name.js";
import { WindowPeers } from "./window-peers.js";

function receivePort(event: MessageEvent): void {
  const port = event.ports[0];
  if (event.source !== window || event.data !== DIRECT_PORT || !port) return;
  window.removeEventListener("message", receivePort);
  const peers = new WindowPeers((message) => port.postMessage(message));
  port.addEventListener("message", ({ data }) => peers.receive(data));
  port.start();
}
window.addEventListener("message", receivePort);
