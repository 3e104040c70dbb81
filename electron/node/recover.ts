/**
 * A profile whose database cannot be read goes on as a new device of the same user. Its own numbers
 * (see origin) are not to be trusted any more, its key is: with that it brings what it had not sent
 * yet and lets the new device in, which fetches the history as any new one does. The damaged database
 * and the key lie in a folder beside, and `recovery.json` names it until the old device is gone from
 * the account. Every step may be done twice.
 */
import { cp, mkdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { DovetailError } from "../../shared/errors.js";
import type { ConversationId } from "../../shared/ids.js";
import { under } from "../../shared/key-value.js";
import { openLevel } from "../../shared/node/level-key-value.js";
import { repairLevel } from "../../shared/node/level-repair.js";
import { nodeClock, nodeCrypto, nodeRandom } from "../../shared/node/runtime.js";
import type { Log } from "../../shared/runtime.js";
import { FormerDevice, type Unsent } from "../client/former-device.js";
import type { Client } from "../client/index.js";
import { keys, tailRow } from "../client/rows.js";
import { deviceKeys } from "./device-keys.js";
import { writeWhole } from "./files.js";
import type { ProfileOptions } from "./profile-options.js";
import { relayDialer } from "./relay-dialer.js";

/** Where the damaged parts lie, within the profile folder. */
const journal = z.object({ aside: z.string().regex(/^damaged-\d+$/) });

const journalPath = (profile: string): string => join(profile, "recovery.json");

/** The folder of the device that is being replaced; null where none is. @throws DovetailError `profile_corrupt`. */
export async function readRecovery(profile: string): Promise<string | null> {
  const path = journalPath(profile);
  const text = await readFile(path, "utf8").catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === "ENOENT") return null;
    throw new DovetailError("profile_corrupt", `${path} cannot be read.`, { cause });
  });
  if (text === null) return null;
  try {
    return join(profile, journal.parse(JSON.parse(text)).aside);
  } catch (cause) {
    throw new DovetailError("profile_corrupt", `${path} is damaged.`, { cause });
  }
}

/** From here on the profile is one that recovers. @throws DovetailError `disk_full`, `storage_failed`. */
export async function beginRecovery(profile: string, now: number): Promise<string> {
  const aside = `damaged-${now}`;
  await writeWhole(journalPath(profile), `${JSON.stringify({ aside })}\n`);
  return join(profile, aside);
}

/**
 * Moves the database and then the key, which therefore says whether this was done: what lies in the
 * profile after it is the new device's.
 */
async function moveAside(profile: string, former: string): Promise<void> {
  await mkdir(former, { recursive: true, mode: 0o700 });
  if (await isThere(join(former, "device.key"))) return;
  if (!(await isThere(join(former, "db")))) await rename(join(profile, "db"), join(former, "db"));
  await rename(join(profile, "device.key"), join(former, "device.key"));
}

const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== "ENOENT",
  );

/**
 * Goes on wherever the last attempt ended.
 * @throws DovetailError `profile_corrupt` where the relay cannot be reached or refuses; the next
 * attempt goes on.
 */
export async function recover(
  options: ProfileOptions,
  former: string,
  open: () => Promise<Client>,
): Promise<Client> {
  const { profile, relayUrl, deviceName, protector, log } = options;
  await moveAside(profile, former);
  const key = await deviceKeys(former, protector).load();
  if (!key) throw new DovetailError("profile_corrupt", `${former} has no device key.`);
  const ports = { relay: relayDialer, clock: nodeClock, random: nodeRandom, crypto: nodeCrypto };
  const device = new FormerDevice({ ...ports, log }, { relayUrl, deviceName }, key);
  const client = await open();
  try {
    if ((await client.call("account.get", {})) === null) {
      await device.connect();
      await bringUnsent(device, former, log);
      await client.call("account.link", { code: await device.pair() });
      log.warn("the profile goes on as a new device", { damaged: former });
    }
  } catch (error) {
    await client.close();
    const { code, message } = DovetailError.from(error);
    throw new DovetailError(
      "profile_corrupt",
      `The profile's history is damaged, and it recovers when the relay lets it: ${message} (${code}) Nothing was deleted; start again when the relay can be reached.`,
      { cause: error },
    );
  } finally {
    device.close();
  }
  retire(client, device, profile, log);
  return client;
}

async function bringUnsent(device: FormerDevice, former: string, log: Log): Promise<void> {
  let brought = 0;
  const unsent = await readUnsent(device, former, log);
  for (const entry of unsent) if (await device.bring(entry)) brought++;
  log.warn("unsent entries of the damaged profile", { brought, lost: unsent.length - brought });
}

/** What can be read, from a copy: the damaged files stay as they are. */
async function readUnsent(device: FormerDevice, former: string, log: Log): Promise<Unsent[]> {
  const copy = join(former, "repaired");
  const unsent: Unsent[] = [];
  try {
    await rm(copy, { recursive: true, force: true });
    await cp(join(former, "db"), copy, { recursive: true });
    await repairLevel(copy);
    const store = await openLevel(copy);
    try {
      for (const { key, value } of await store.range(under(keys.tails))) {
        const entry = readRow(key, value, log);
        if (entry?.deviceId === device.deviceId && entry.seq === 0) unsent.push(entry);
      }
    } finally {
      await store.close();
    }
  } catch (error) {
    log.error("what the damaged profile had not sent cannot be read", { error: String(error) });
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
  return unsent.sort((a, b) => a.n - b.n);
}

function readRow(key: string, value: Uint8Array, log: Log) {
  const conversationId = key.slice(keys.tails.length).split("/")[0] as ConversationId;
  try {
    return { conversationId, ...tailRow.decode(value) };
  } catch {
    log.warn("an unsent entry cannot be read", { key });
    return null;
  }
}

/** Takes the old device out of the account, as soon as the relay is there. */
function retire(client: Client, device: FormerDevice, profile: string, log: Log): void {
  let running = false;
  const attempt = async () => {
    if (running || (await client.call("connection.get", {})).relay !== "connected") return;
    running = true;
    try {
      await client.call("devices.remove", { deviceId: device.deviceId }).catch(passNotFound);
      stop();
      await rm(journalPath(profile), { force: true });
      log.info("the damaged device is out of the account");
    } finally {
      running = false;
    }
  };
  const report = (error: unknown) => {
    // The next connection, or the next start, tries again.
    log.info("the damaged device is not out of the account yet", { error: String(error) });
  };
  const stop = client.subscribe(({ event }) => {
    if (event === "connection.changed") void attempt().catch(report);
  });
  void attempt().catch(report);
}

/** It was taken out before, and only the journal was left. */
function passNotFound(error: unknown): void {
  if (DovetailError.from(error).code !== "not_found") throw error;
}
