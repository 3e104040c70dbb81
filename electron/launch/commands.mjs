import { pathToFileURL } from "node:url";
import { ensureBuilt } from "./build.mjs";
import { ensureInstalled } from "./install.mjs";
import { endWithParent } from "./parent.mjs";
import { inRoot, say } from "./paths.mjs";

/**
 * In this very process, so that signals, exit code and the streams are the program's own and
 * `kill -9` of what npm started is `kill -9` of the program.
 */
async function runBundle(name, args) {
  const file = inRoot("dist", name, "main.js");
  process.argv = [process.execPath, file, ...args];
  await import(pathToFileURL(file).href);
}

const bundle = (name, alsoBuild = []) => ({
  build: [name, ...alsoBuild],
  run: (args) => runBundle(name, args),
});

const app = ["relay", "headless", "browser", "electron", "direct", "renderer"];

/** The simulated proof, or with `--real` the one on real processes. */
async function soak(args) {
  const real = args.includes("--real");
  if (real) await ensureBuilt(["relay", "headless"]);
  const name = real ? "soak-real" : "soak";
  await ensureBuilt([name]);
  await runBundle(
    name,
    args.filter((arg) => arg !== "--real"),
  );
}

/** A command's code is loaded only after what it needs is installed and built. */
const commands = {
  setup: { build: [], run: () => {} },
  build: { build: [...app, "bench"], run: () => {} },
  relay: bundle("relay"),
  headless: bundle("headless"),
  browser: bundle("browser", ["renderer"]),
  bench: bundle("bench", ["relay", "headless"]),
  simulate: bundle("simulate"),
  start: { build: app, run: async (args) => (await import("./start.mjs")).start(args) },
  client: { build: app, run: async (args) => (await import("./start.mjs")).client(args) },
  demo: { build: app, run: async (args) => (await import("./demo.mjs")).demo(args) },
  "test:soak": { build: [], run: soak },
  "test:cluster": {
    build: ["relay", "headless"],
    run: async () => (await import("../../test/run.mjs")).runClusterTests(),
  },
  test: {
    build: [...app, "bench"],
    run: async (args) => (await import("../../test/run.mjs")).runTests(args),
  },
};

export async function runCommand(name, args) {
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (!command) {
    say(`There is no command "${name}". There are: ${Object.keys(commands).join(", ")}.`);
    process.exitCode = 2;
    return;
  }
  endWithParent();
  try {
    await ensureInstalled();
    await ensureBuilt(command.build);
    await command.run(args);
  } catch (error) {
    say(`npm run ${name}: ${error.message}`);
    if (process.env.DEBUG) say(error.stack);
    process.exitCode = 1;
  }
}
