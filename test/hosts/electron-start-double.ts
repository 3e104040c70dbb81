/**
 * What of `electron` the whole desktop app needs to start, in Node. It proves how Dovetail's parts
 * are put together, and nothing of Electron.
 */
import { EventEmitter } from "node:events";
import { vi } from "vitest";
import { contents, session as emptySession, ipcMain, protocol, shell } from "./electron-double.js";

/** What happened, in order. */
export const story: string[] = [];
/** What the next start meets. */
export const world = { onlyInstance: true, keyStore: true };

/** Chromium's, as the app was started with them and has set them since. */
const switches = new Map<string, string>();

let exited: (code: number) => void;
/** Resolves with the code with which the app ends. */
export const ending = () =>
  new Promise<number>((done) => {
    exited = done;
  });

export const app = Object.assign(new EventEmitter(), {
  isPackaged: true,
  commandLine: {
    getSwitchValue: (name: string) => switches.get(name) ?? "",
    appendSwitch: (name: string, value = "") => {
      switches.set(name, value);
    },
  },
  getPath: () => "/nowhere",
  setPath: (name: string) => story.push(`path ${name}`),
  requestSingleInstanceLock: () => world.onlyInstance,
  enableSandbox: () => story.push("sandbox"),
  whenReady: async () => {
    story.push("ready");
  },
  exit: (code: number) => exited(code),
  quit: () => app.emit("before-quit", { preventDefault: () => undefined }),
});
const session = { defaultSession: emptySession() };
export const dialog = { showErrorBox: vi.fn(), showMessageBox: vi.fn(async () => undefined) };
export const nativeTheme = { themeSource: "system", shouldUseDarkColors: false };
export const powerMonitor = new EventEmitter();
const screen = { getAllDisplays: () => [] };
const safeStorage = {
  isAsyncEncryptionAvailable: async () => world.keyStore,
  getSelectedStorageBackend: () => "gnome_libsecret",
  encryptStringAsync: async (text: string) => Buffer.from(text),
  decryptStringAsync: async (sealed: Buffer) => ({
    shouldReEncrypt: false,
    result: String(sealed),
  }),
};

const Menu = {
  buildFromTemplate: () => ({}),
  setApplicationMenu: () => undefined,
};

class Tray extends EventEmitter {
  setToolTip(): void {}
  setContextMenu(): void {}
  destroy(): void {}
}

class Notification extends EventEmitter {}

class Port extends EventEmitter {
  start(): void {}
  close(): void {}
  postMessage(): void {}
}

class MessageChannelMain {
  readonly port1 = new Port();
  readonly port2 = new Port();
}

/** As after a reboot: nothing of the app before is left but its profile. */
export function reset(): void {
  story.length = 0;
  windows.clear();
  switches.clear();
  app.removeAllListeners();
  powerMonitor.removeAllListeners();
}

const windows = new Map<string, BrowserWindow>();
/** The window that shows this address. */
export const windowAt = (url: string): BrowserWindow => {
  const window = windows.get(url);
  if (!window) throw new Error(`there is no window at ${url}`);
  return window;
};

class BrowserWindow extends EventEmitter {
  #url = "";
  shown = false;
  destroyed = false;
  readonly sent: unknown[][] = [];
  readonly webContents = Object.assign(contents(""), {
    getURL: () => this.#url,
    send: (...message: unknown[]) => this.sent.push(message),
    postMessage: () => undefined,
  });

  async loadURL(url: string): Promise<void> {
    this.#url = url;
    windows.set(url, this);
    story.push(`window ${url}`);
  }
  show(): void {
    this.shown = true;
  }
  hide(): void {
    this.shown = false;
  }
  destroy(): void {
    this.destroyed = true;
  }
  focus(): void {}
  isDestroyed = () => this.destroyed;
  isFocused = () => this.shown;
  isMinimized = () => false;
  isMaximized = () => false;
  getNormalBounds = () => ({ x: 0, y: 0, width: 800, height: 600 });
}

/** What `import … from "electron"` gives. */
export const electron = {
  app,
  BrowserWindow,
  dialog,
  ipcMain,
  Menu,
  MessageChannelMain,
  nativeTheme,
  Notification,
  powerMonitor,
  protocol,
  safeStorage,
  screen,
  session,
  shell,
  Tray,
};
