/** The renderer's only way to the core: three functions, each over one fixed channel. */
import { contextBridge, type IpcRendererEvent, ipcRenderer } from "electron";
import type { DovetailBridge } from "../shared/bridge.js";
import { channels } from "./host/channels.js";

/** The renderer never gets the IPC event itself: it would hand out `ipcRenderer`. */
function listen<T>(channel: string, listener: (value: T) => void): () => void {
  const receive = (_event: IpcRendererEvent, value: T) => listener(value);
  ipcRenderer.on(channel, receive);
  return () => {
    ipcRenderer.off(channel, receive);
  };
}

const bridge: DovetailBridge = {
  call: (method, params) => ipcRenderer.invoke(channels.call, method, params),
  subscribe: (listener) => listen(channels.event, listener),
  onOpenConversation: (listener) => listen(channels.openConversation, listener),
};
contextBridge.exposeInMainWorld("dovetail", bridge);
