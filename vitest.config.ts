import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

/** Tests that start relays and hosts as processes: few at a time, or they starve each other. */
const REAL = ["test/real/**/*.test.ts", "test/launch/**/*.test.ts"];

/** Tests that start the services of a cluster, which Maven Central and Debian have. */
const CLUSTER = ["test/cluster/**/*.test.ts"];

export default defineConfig({
  test: {
    projects: [
      {
        // The renderer's state is written with runes, which have to be compiled.
        plugins: [svelte({ configFile: false })],
        test: {
          name: "fast",
          include: ["test/**/*.test.ts"],
          exclude: [...REAL, ...CLUSTER],
          testTimeout: 20_000,
          // The simulation runs for a minute by itself; it gets it from its own limits.
          hookTimeout: 30_000,
        },
      },
      {
        test: {
          name: "real",
          include: REAL,
          maxWorkers: 2,
          // After the others, which would leave these too little of the machine.
          sequence: { groupOrder: 1 },
          // A machine that does other things as well takes several times as long.
          testTimeout: 180_000,
          hookTimeout: 180_000,
        },
      },
      {
        test: {
          name: "cluster",
          include: CLUSTER,
          // The services have fixed addresses.
          maxWorkers: 1,
          sequence: { groupOrder: 2 },
          testTimeout: 180_000,
          hookTimeout: 600_000,
        },
      },
    ],
  },
});
