import { Menu, Tray } from "electron";

export interface TrayActions {
  open(): void;
  quit(): void;
}

/**
 * GNOME without an extension shows no tray and tells nobody; a window that hid itself there would
 * be lost to the person. Ubuntu's GNOME comes with the extension.
 */
export const hasTray = (platform: NodeJS.Platform, desktop = ""): boolean => {
  const names = desktop.toLowerCase().split(":");
  return platform !== "linux" || !names.includes("gnome") || names.includes("ubuntu");
};

/** Null where there is no tray. The caller keeps it: a tray that is collected disappears. */
export function openTray(icon: string, actions: TrayActions): Tray | null {
  if (!hasTray(process.platform, process.env.XDG_CURRENT_DESKTOP)) return null;
  const tray = new Tray(icon);
  tray.setToolTip("Dovetail");
  tray.setContextMenu(
    Menu.buildFromTemplate([
      { label: "Open Dovetail", click: () => actions.open() },
      { type: "separator" },
      { label: "Quit", click: () => actions.quit() },
    ]),
  );
  tray.on("click", () => actions.open());
  return tray;
}
