import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { beforeEach, expect, test, vi } from "vitest";
import type { ClientApi, ClientEvent, Settings } from "../../shared/client-api.js";

const nativeTheme = vi.hoisted(() => ({ themeSource: "system", shouldUseDarkColors: false }));
vi.mock("electron", () => ({ nativeTheme }));

const { followTheme, groundColour } = await import("../../electron/host/theme.js");

const settings = (theme: Settings["theme"]): Settings => ({
  directEnabled: true,
  notifications: true,
  theme,
});

let tell: (event: ClientEvent) => void;
const client = {
  call: async () => settings("dark"),
  subscribe: (listener: (event: ClientEvent) => void) => {
    tell = listener;
    return () => undefined;
  },
} as unknown as ClientApi;

beforeEach(() => {
  nativeTheme.themeSource = "system";
});

test("the system's own parts follow the chosen theme, from the start and when it changes", async () => {
  await followTheme(client);
  expect(nativeTheme.themeSource).toBe("dark");
  tell({ event: "settings.changed", data: settings("light") });
  expect(nativeTheme.themeSource).toBe("light");
});

test("a window begins in the page's own ground", async () => {
  const tokens = await readFile(
    resolve(import.meta.dirname, "../../renderer/src/styles/tokens.css"),
    "utf8",
  );
  const [, light, dark] = /--ground: light-dark\((#\w+), (#\w+)\)/.exec(tokens) ?? [];
  nativeTheme.shouldUseDarkColors = false;
  expect(groundColour()).toBe(light);
  nativeTheme.shouldUseDarkColors = true;
  expect(groundColour()).toBe(dark);
});
