import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { chooseHost } from "./app.mjs";
import { askedToStop, ended, stopChild } from "./children.mjs";
import { say } from "./paths.mjs";
import { KeptRelay } from "./relay.mjs";
import { startHeadless } from "./rpc.mjs";

const PEOPLE = [
  { handle: "alice", displayName: "Alice" },
  { handle: "bob", displayName: "Bob" },
];
const TALK = [
  { from: "alice", to: "bob", text: "Hello Bob, is this you?" },
  { from: "bob", to: "alice", text: "It is! Nice to meet you here, Alice." },
  { from: "alice", to: "bob", text: "Write me something; I am in the other window." },
];

/** Registers both and lets them say a few words, so that two windows open on a conversation. */
async function meet(profileOf, relay) {
  const hosts = new Map(
    PEOPLE.map(({ handle }) => [handle, startHeadless(profileOf(handle), relay)]),
  );
  try {
    for (const person of PEOPLE) await hosts.get(person.handle).call("account.register", person);
    for (const { from, to, text } of TALK) {
      const [sender, receiver] = [hosts.get(from), hosts.get(to)];
      const { conversationId } = await sender.call("conversations.open", { handle: to });
      const arrived = receiver.next("message.added", (message) => message.text === text);
      await sender.call("messages.send", { conversationId, text });
      await arrived;
    }
  } finally {
    for (const host of hosts.values()) await host.close();
  }
}

/** `npm run demo`: a relay and two people side by side who have just met. Leaves nothing behind. */
export async function demo(args) {
  const { values } = parseArgs({ args, options: { "no-open": { type: "boolean" } } });
  const stop = askedToStop();
  const folder = mkdtempSync(join(tmpdir(), "dovetail-demo-"));
  const relay = new KeptRelay(join(folder, "relay"));
  const apps = [];
  try {
    await relay.start(0);
    const profileOf = (handle) => join(folder, handle);
    await meet(profileOf, relay.url);
    const openApp = await chooseHost();
    for (const { handle } of PEOPLE) {
      const options = { profile: profileOf(handle), relay: relay.url, open: !values["no-open"] };
      const { child, url } = await openApp(options);
      apps.push(child);
      if (url) say(`${handle}: ${url}`);
    }
    say("Ctrl-C ends the demo and removes everything it made.");
    await Promise.race([stop, ...apps.map(ended)]);
  } finally {
    for (const app of apps) await stopChild(app);
    await relay.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}
