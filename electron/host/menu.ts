import { app, Menu, type MenuItemConstructorOptions } from "electron";

/** Without one, macOS knows neither copy nor paste; Electron's own offers what is for developers. */
export function setMenu(): void {
  const template: MenuItemConstructorOptions[] = [
    ...(process.platform === "darwin"
      ? [{ role: "appMenu" as const }]
      : [{ role: "fileMenu" as const }]),
    { role: "editMenu" },
    {
      label: "View",
      submenu: [
        ...(app.isPackaged
          ? []
          : [
              { role: "reload" as const },
              { role: "toggleDevTools" as const },
              { type: "separator" as const },
            ]),
        { role: "resetZoom" },
        { role: "zoomIn" },
        { role: "zoomOut" },
        { type: "separator" },
        { role: "togglefullscreen" },
      ],
    },
    { role: "windowMenu" },
  ];
  Menu.setApplicationMenu(Menu.buildFromTemplate(template));
}
