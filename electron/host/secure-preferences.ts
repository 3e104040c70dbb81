import { app, type WebPreferences } from "electron";

/** The same for every window; said in full, although most of it is Electron's default. */
export const securePreferences = (preload: string): WebPreferences => ({
  preload,
  sandbox: true,
  contextIsolation: true,
  nodeIntegration: false,
  nodeIntegrationInWorker: false,
  nodeIntegrationInSubFrames: false,
  webSecurity: true,
  allowRunningInsecureContent: false,
  experimentalFeatures: false,
  webviewTag: false,
  navigateOnDragDrop: false,
  // Chromium fetches the dictionaries from a server of its maker.
  spellcheck: false,
  devTools: !app.isPackaged,
});
