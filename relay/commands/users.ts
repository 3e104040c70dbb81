import type { Command } from "commander";
import { askRelay } from "../admin/client.js";
import type { AdminResult } from "../admin/contract.js";
import { MAX_LISTED } from "../admin/contract.js";
import { dataFolder, program, runProgram } from "./program.js";
import { moment, table } from "./table.js";

interface Options {
  readonly data?: string;
  readonly config?: string;
  readonly json?: boolean;
}

const withoutAt = (handle: string): string => handle.replace(/^@/, "");

/** Lists the users of a running relay, shows one of them and removes devices. */
export function users(args: readonly string[]): Promise<number> {
  const root = program("users", "Who has an account at a running relay, and with which devices.");
  const command = (usage: string, help: string): Command =>
    root.command(usage).description(help).allowExcessArguments(false);
  root.option("--json", "one object of JSON a line");
  command("list", "everybody, by handle").action(async () => list(root.opts()));
  command("show <handle>", "one user, with devices").action(async (handle: string) =>
    show(root.opts(), withoutAt(handle)),
  );
  command("remove-device <handle> <device>", "ends a device's access for good").action(
    async (handle: string, device: string) => remove(root.opts(), withoutAt(handle), device),
  );
  return runProgram(root, args);
}

async function list(options: Options): Promise<void> {
  const data = dataFolder(options);
  let after: string | null = null;
  for (;;) {
    const page: AdminResult<"users"> = await askRelay(data, "users", { after, limit: MAX_LISTED });
    const isFirst = after === null;
    if (options.json) for (const user of page.users) print(JSON.stringify(user));
    else if (isFirst || page.users.length > 0) {
      const rows = page.users.map(({ handle, displayName, userId }) => [
        handle,
        userId,
        displayName,
      ]);
      print(table(["HANDLE", "USER", "NAME"], rows).trimEnd());
    }
    after = page.users.at(-1)?.handle ?? null;
    if (page.users.length < MAX_LISTED) return;
  }
}

async function show(options: Options, handle: string): Promise<void> {
  const user = await askRelay(dataFolder(options), "user", { handle });
  if (options.json) return print(JSON.stringify(user));
  const { displayName, userId, lastSeen, devices } = user;
  const isHere = devices.some(({ connected }) => connected);
  print(`${handle}, ${displayName}\nuser ${userId}, ${seen(isHere, lastSeen)}\n`);
  const rows = devices.map((device) => [
    device.deviceId,
    moment(device.addedAt),
    seen(device.connected, device.lastSeen),
    device.name,
  ]);
  print(table(["DEVICE", "ADDED", "SEEN", "NAME"], rows).trimEnd());
}

async function remove(options: Options, handle: string, device: string): Promise<void> {
  const removed = await askRelay(dataFolder(options), "removeDevice", { handle, device });
  if (options.json) return print(JSON.stringify(removed));
  const { deviceId, name, left } = removed;
  print(`Removed ${deviceId} (${name}) of ${handle}, who has ${left} left.`);
}

const seen = (connected: boolean, at: number): string =>
  connected ? "connected" : at === 0 ? "never seen" : moment(at);

const print = (text: string): void => void process.stdout.write(`${text}\n`);
