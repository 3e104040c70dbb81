import { spawn } from "node:child_process";
import { readEvent, startCommand } from "./children.mjs";
import { hasDisplay, obtainElectron } from "./electron.mjs";
import { root, say } from "./paths.mjs";

async function openInBrowser({ profile, relay, open }) {
  const args = ["--profile", profile, "--relay", relay];
  if (!open || !hasDisplay()) args.push("--no-open");
  const child = startCommand("browser", args);
  const { url } = await readEvent(child, "ready");
  return { child, url };
}

function openInElectron(binary, { profile, relay }) {
  const args = [root, "--profile", profile, "--relay", relay];
  const child = spawn(binary, args, { stdio: ["ignore", "inherit", "inherit"] });
  return Promise.resolve({ child, url: null });
}

/**
 * Chooses the host: the desktop app where Electron can be had, else, saying why, the browser host.
 * The function it gives opens one profile and returns its process and, of the browser host, the
 * address, which holds the secret of this launch.
 */
export async function chooseHost() {
  const { binary, problem } = await obtainElectron();
  if (binary) return (options) => openInElectron(binary, options);
  say(`Opening Dovetail in the browser instead of its own window: ${problem}.`);
  return openInBrowser;
}
