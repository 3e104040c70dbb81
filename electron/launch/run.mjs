/**
 * The way in to every command of package.json: `node electron/launch/run.mjs <command> [arguments]`.
 * Plain JavaScript without dependencies, because it runs before anything is installed and the oldest
 * Node that Dovetail supports cannot run TypeScript. The files it loads may use newer syntax than
 * this one, which must parse on any Node to be able to refuse it in words.
 */
const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`Dovetail needs Node 20.19 or newer; this is Node ${process.versions.node}.`);
  process.exit(1);
}

const { runCommand } = await import("./commands.mjs");
const [command = "", ...args] = process.argv.slice(2);
await runCommand(command, args);
