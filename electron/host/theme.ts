import { nativeTheme } from "electron";
import type { ClientApi } from "../../shared/client-api.js";

/** `--ground` of renderer/src/styles/tokens.css: what a window shows before its page does. */
const GROUND = { light: "#fdfcfc", dark: "#151114" };

/** Has to be asked for each window that is made. */
export const groundColour = (): string =>
  nativeTheme.shouldUseDarkColors ? GROUND.dark : GROUND.light;

/** Menus, dialogs and window frames in the theme that the person has chosen, now and from now on. */
export async function followTheme(client: ClientApi): Promise<void> {
  client.subscribe(({ event, data }) => {
    if (event === "settings.changed") nativeTheme.themeSource = data.theme;
  });
  nativeTheme.themeSource = (await client.call("settings.get", {})).theme;
}
