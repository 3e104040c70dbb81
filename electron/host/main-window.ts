/** The visible window. */
import { BrowserWindow, type Rectangle, screen } from "electron";
import type { ClientEvent } from "../../shared/client-api.js";
import type { ConversationId } from "../../shared/ids.js";
import { channels } from "./channels.js";
import { appUrl } from "./scheme.js";
import { securePreferences } from "./secure-preferences.js";
import type { SettingsFile } from "./settings-file.js";
import { groundColour } from "./theme.js";

const USUAL_SIZE = { width: 1080, height: 720 };
const MIN_SIZE = { minWidth: 360, minHeight: 480 };
/** Of a remembered place, what has to be on some screen for the person to get hold of the window. */
const MIN_VISIBLE_PX = 64;

export interface MainWindowOptions {
  readonly preload: string;
  readonly icon: string;
  readonly settings: SettingsFile;
  /** Whether closing only hides it. */
  readonly keepOnClose: () => boolean;
  readonly closed: () => void;
}

export class MainWindow {
  readonly #options: MainWindowOptions;
  #window: BrowserWindow | null = null;

  constructor(options: MainWindowOptions) {
    this.#options = options;
  }

  /** Brings it to the front; makes it where there is none. */
  show(): void {
    const window = this.#window ?? this.#open();
    if (window.isMinimized()) window.restore();
    window.show();
    window.focus();
  }

  send(event: ClientEvent): void {
    this.#window?.webContents.send(channels.event, event);
  }

  openConversation(conversationId: ConversationId): void {
    this.show();
    this.#window?.webContents.send(channels.openConversation, conversationId);
  }

  /** Resolves when its place is on disk. */
  async remember(): Promise<void> {
    const window = this.#window;
    if (!window) return;
    const bounds = window.getNormalBounds();
    await this.#options.settings.change({ bounds, maximized: window.isMaximized() });
  }

  #open(): BrowserWindow {
    const { preload, icon, settings, keepOnClose, closed } = this.#options;
    const { bounds, maximized } = settings.value;
    const window = new BrowserWindow({
      ...USUAL_SIZE,
      ...(bounds && isReachable(bounds) && bounds),
      ...MIN_SIZE,
      show: false,
      autoHideMenuBar: true,
      // A dark page does not begin with a white flash.
      backgroundColor: groundColour(),
      icon,
      webPreferences: securePreferences(preload),
    });
    this.#window = window;
    if (maximized) window.maximize();
    window.on("close", (event) => {
      this.remember().catch(() => undefined);
      if (!keepOnClose()) return;
      event.preventDefault();
      window.hide();
    });
    window.on("closed", () => {
      this.#window = null;
      closed();
    });
    window.webContents.on("render-process-gone", (_event, { reason }) => {
      // The core lives on in main; the page finds everything again when it starts anew.
      if (reason !== "clean-exit") window.webContents.reload();
    });
    void window.loadURL(appUrl("dovetail"));
    return window;
  }
}

/** A screen that it stood on may have been unplugged. */
function isReachable(bounds: Rectangle): boolean {
  return screen.getAllDisplays().some(({ workArea }) => {
    const right = Math.min(bounds.x + bounds.width, workArea.x + workArea.width);
    const bottom = Math.min(bounds.y + bounds.height, workArea.y + workArea.height);
    return (
      right - Math.max(bounds.x, workArea.x) >= MIN_VISIBLE_PX &&
      bottom - Math.max(bounds.y, workArea.y) >= MIN_VISIBLE_PX
    );
  });
}
