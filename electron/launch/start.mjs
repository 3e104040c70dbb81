import { rmSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { chooseHost } from "./app.mjs";
import { askedToStop, ended, stopChild } from "./children.mjs";
import { homeFolder, readState, writeState } from "./home.mjs";
import { isAlive } from "./lock.mjs";
import { say } from "./paths.mjs";
import { homeRelay, isRelay } from "./relay.mjs";

async function findRunning(file) {
  const running = readState(file);
  if (!running || !isAlive(running.pid)) return null;
  // The pid may belong to something else by now; a relay at that address does not.
  return (await isRelay(running.http)) ? running : null;
}

/** `npm start`: a relay and the app, both with their data in the person's own folder. */
export async function start(args) {
  const { values } = parseArgs({ args, options: { "no-open": { type: "boolean" } } });
  const home = homeFolder();
  const runningFile = join(home, "running.json");
  const running = await findRunning(runningFile);
  if (running) {
    say(`Dovetail is already running${running.url ? ` at ${running.url}` : ""}.`);
    return;
  }
  const stop = askedToStop();
  const relay = await homeRelay(home);
  try {
    const openApp = await chooseHost();
    const profile = join(home, "profile");
    const app = await openApp({ profile, relay: relay.url, open: !values["no-open"] });
    writeState(runningFile, { pid: process.pid, url: app.url, http: relay.http });
    if (app.url) say(`Dovetail is open at ${app.url}`);
    say(`Its relay is ${relay.url}. Ctrl-C ends Dovetail.`);
    await Promise.race([stop, ended(app.child)]);
    // The app first: while the relay is there it can still hand in what it has.
    await stopChild(app.child);
  } finally {
    await relay.stop();
    rmSync(runningFile, { force: true });
  }
}

/** `npm run client -- --relay URL`: the app alone, for a relay that somebody else runs. */
export async function client(args) {
  const { values } = parseArgs({
    args,
    options: {
      relay: { type: "string" },
      profile: { type: "string" },
      "no-open": { type: "boolean" },
    },
  });
  if (!/^wss?:\/\//.test(values.relay ?? "")) {
    throw new Error("say which relay: npm run client -- --relay wss://relay.example");
  }
  const profile = values.profile ?? join(homeFolder(), profileName(values.relay));
  const stop = askedToStop();
  const openApp = await chooseHost();
  const app = await openApp({ profile, relay: values.relay, open: !values["no-open"] });
  if (app.url) say(`Dovetail is open at ${app.url}`);
  await Promise.race([stop, ended(app.child)]);
  await stopChild(app.child);
}

/** A profile belongs to one relay, so each has its own. */
const profileName = (relay) => `profile-${new URL(relay).host.replace(/[^a-z0-9.-]/gi, "_")}`;
