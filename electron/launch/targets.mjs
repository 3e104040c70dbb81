import { inRoot } from "./paths.mjs";

/** Packages stay outside; readable, because it also runs on the machine of whoever debugs it. */
const nodeBundle = (entry, fileName, format) => ({
  configFile: false,
  build: {
    ssr: inRoot(entry),
    target: "node20",
    sourcemap: true,
    minify: false,
    // One file: a running process needs nothing more of `dist` when the next build replaces it.
    rolldownOptions: { output: { entryFileNames: fileName, format, codeSplitting: false } },
  },
});

const program = (entry) => nodeBundle(entry, "main.js", "es");

/** A sandboxed preload can load neither ESM nor packages (electronjs.org/docs/latest/tutorial/esm). */
const preload = (entry, fileName) => ({
  ...nodeBundle(entry, fileName, "cjs"),
  ssr: { noExternal: true, external: ["electron"] },
});

/** What is built: into `dist/<name>`, from `configs`, again whenever one of the `sources` changes. */
export const targets = {
  relay: { sources: ["shared", "relay"], configs: [program("relay/main.ts")] },
  headless: { sources: ["shared", "electron"], configs: [program("electron/headless/main.ts")] },
  browser: { sources: ["shared", "electron"], configs: [program("electron/browser/main.ts")] },
  electron: {
    sources: ["shared", "electron"],
    configs: [
      program("electron/main.ts"),
      preload("electron/preload.ts", "preload.cjs"),
      preload("electron/direct/preload.ts", "direct-preload.cjs"),
    ],
  },
  direct: {
    sources: ["shared", "electron"],
    configs: [
      {
        configFile: false,
        root: inRoot("electron/direct"),
        base: "./",
        // The package's main file expects Node's globals; its browser bundle needs none.
        resolve: { alias: { "simple-peer": "simple-peer/simplepeer.min.js" } },
        build: {
          target: "chrome140",
          modulePreload: false,
          rolldownOptions: { input: inRoot("electron/direct/window.html") },
        },
      },
    ],
  },
  renderer: {
    sources: ["shared", "renderer"],
    configs: [{ root: inRoot("renderer"), configFile: inRoot("renderer/vite.config.ts") }],
  },
  soak: {
    sources: ["shared", "relay", "electron", "test/sim", "test/soak"],
    configs: [program("test/soak/main.ts")],
  },
  "soak-real": {
    sources: ["shared", "relay", "electron", "test/sim", "test/real", "test/soak", "test/parts"],
    configs: [program("test/soak/real/main.ts")],
  },
  bench: {
    sources: ["shared", "electron", "bench", "test/parts"],
    configs: [program("bench/main.ts")],
  },
  simulate: {
    sources: ["shared", "electron", "relay", "bench"],
    configs: [program("bench/capacity/main.ts")],
  },
};
