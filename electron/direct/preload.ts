/** Hands the port from main on to the page, which has no other way to anybody. */
import { ipcRenderer } from "electron";
import { DIRECT_PORT } from "./port-name.js";

ipcRenderer.once(DIRECT_PORT, (event) => {
  // "/" is this page's own origin.
  window.postMessage(DIRECT_PORT, "/", [...event.ports]);
});
