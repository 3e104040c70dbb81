import { backup } from "./commands/backup.js";
import { drain } from "./commands/drain.js";
import { WRONG_OPTION } from "./commands/exit-codes.js";
import { invites } from "./commands/invites.js";
import { migrate } from "./commands/migrate.js";
import { restore } from "./commands/restore.js";
import { start } from "./commands/start.js";
import { status } from "./commands/status.js";
import { users } from "./commands/users.js";
import { vapidKeys } from "./commands/vapid-keys.js";

interface RelayCommand {
  readonly run: (args: readonly string[]) => Promise<number>;
  readonly help: string;
}

const commands: Readonly<Record<string, RelayCommand>> = {
  start: { run: start, help: "runs a relay; so does no command at all" },
  drain: { run: drain, help: "sends a running relay's clients away, a few at a time, and ends it" },
  status: { run: status, help: "says how a running relay is, and all of its nodes" },
  backup: {
    run: backup,
    help: "writes the embedded store into a file, also while a relay runs on it",
  },
  restore: { run: restore, help: "makes a folder of data from such a file" },
  migrate: { run: migrate, help: "moves the embedded store into Cassandra" },
  invites: { run: invites, help: "lists, makes and revokes the codes that registering needs" },
  "vapid-keys": { run: vapidKeys, help: "makes a pair of keys for web push" },
  users: { run: users, help: "lists who has an account, shows one, removes devices" },
};

function list(): string {
  const width = Math.max(...Object.keys(commands).map((name) => name.length));
  const lines = Object.entries(commands).map(
    ([name, { help }]) => `  ${name.padEnd(width)}  ${help}\n`,
  );
  return `Commands, each with its own --help:\n${lines.join("")}`;
}

async function main([first = "", ...rest]: readonly string[]): Promise<number> {
  if (first === "" || first.startsWith("-")) {
    if (first === "--help" || first === "-h") process.stdout.write(`${list()}\n`);
    return start([first, ...rest].slice(first === "" ? 1 : 0));
  }
  const command = Object.hasOwn(commands, first) ? commands[first] : undefined;
  if (command) return command.run(rest);
  process.stderr.write(`There is no command "${first}".\n${list()}`);
  return WRONG_OPTION;
}

const code = await main(process.argv.slice(2));
// What was written before is out by then, also where a pipe takes it only in its time.
process.stdout.write("", () => process.exit(code));
