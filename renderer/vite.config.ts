import { fileURLToPath } from "node:url";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  // Relative, because Electron serves the page from a custom scheme and the browser host over http.
  base: "./",
  plugins: [svelte({ configFile: false })],
  build: {
    outDir: "../dist/renderer",
    emptyOutDir: true,
    target: "chrome130",
    // The strict Content-Security-Policy leaves no room for the inline polyfill; Chromium needs none.
    modulePreload: { polyfill: false },
    // A data: URL for a script or style would fall to the policy as well.
    assetsInlineLimit: 0,
  },
});
