/** A profile folder: `profile.json` says what it is, `db/` has the history, `device.key` the key. */
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { DovetailError } from "../../shared/errors.js";
import { openLevel } from "../../shared/node/level-key-value.js";
import { nodeClock, nodeCrypto, nodeRandom } from "../../shared/node/runtime.js";
import { Client } from "../client/index.js";
import type { DeviceKeys } from "../client/ports.js";
import { deviceKeys } from "./device-keys.js";
import { writeError, writeWhole } from "./files.js";
import type { ProfileOptions } from "./profile-options.js";
import { beginRecovery, readRecovery, recover } from "./recover.js";
import { relayDialer } from "./relay-dialer.js";

const FORMAT = 1;
const description = z.object({ format: z.int().min(1), created: z.string() });

/**
 * Makes the folder where it is missing.
 * @throws DovetailError `profile_corrupt`, `profile_newer`, `disk_full`, `storage_failed`.
 */
async function describeProfile(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 }).catch((cause: unknown) => {
    throw writeError(folder, cause);
  });
  const path = join(folder, "profile.json");
  const found = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw new DovetailError("profile_corrupt", `${path} cannot be read.`, { cause: error });
  });
  if (found === null) {
    const made = { format: FORMAT, created: new Date().toISOString() };
    await writeWhole(path, `${JSON.stringify(made)}\n`);
  } else if (readDescription(path, found).format > FORMAT) {
    throw new DovetailError("profile_newer", `${path} was written by a newer Dovetail.`);
  }
}

function readDescription(path: string, text: string): z.infer<typeof description> {
  try {
    return description.parse(JSON.parse(text));
  } catch (cause) {
    throw new DovetailError("profile_corrupt", `${path} is damaged.`, { cause });
  }
}

/**
 * The client core on a profile folder, with Node's ports. A damaged history is recovered from, by a
 * new device of the same user (`recover.ts`).
 * @throws DovetailError `profile_in_use`, `profile_corrupt`, `profile_newer`, `disk_full`,
 * `storage_failed`.
 */
export async function openProfileClient(options: ProfileOptions): Promise<Client> {
  await describeProfile(options.profile);
  const keys = deviceKeys(options.profile, options.protector);
  const open = () => openClient(options, keys);
  const former = await readRecovery(options.profile);
  if (former) return await recover(options, former, open);
  try {
    return await open();
  } catch (error) {
    // Without its key a device has nobody's history to recover.
    if (DovetailError.from(error).code !== "profile_corrupt" || !(await keys.load())) throw error;
    options.log.warn("the profile is damaged", { error: String(error) });
    return await recover(options, await beginRecovery(options.profile, nodeClock.now()), open);
  }
}

async function openClient(options: ProfileOptions, keys: DeviceKeys): Promise<Client> {
  const store = await openLevel(join(options.profile, "db"));
  try {
    return await Client.open(
      {
        store,
        relay: relayDialer,
        direct: options.direct,
        keys,
        clock: nodeClock,
        random: nodeRandom,
        crypto: nodeCrypto,
        log: options.log,
      },
      { relayUrl: options.relayUrl, deviceName: options.deviceName },
    );
  } catch (error) {
    await store.close();
    throw error;
  }
}
