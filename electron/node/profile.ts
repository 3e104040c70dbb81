/** A profile folder: `profile.json` says what it is, `db/` has the history, `device.key` the key. */
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { DovetailError } from "../../shared/errors.js";
import type { KeyValue } from "../../shared/key-value.js";
import { openLevel } from "../../shared/node/level-key-value.js";
import { nodeClock, nodeCrypto, nodeRandom } from "../../shared/node/runtime.js";
import type { Log } from "../../shared/runtime.js";
import { Client } from "../client/index.js";
import type { DirectTransport } from "../client/ports.js";
import { deviceKeys, type Protector } from "./device-keys.js";
import { writeError, writeWhole } from "./files.js";
import { relayDialer } from "./relay-dialer.js";

const FORMAT = 1;
const description = z.object({ format: z.int().min(1), created: z.string() });

/**
 * Makes the folder where it is missing.
 * @throws DovetailError `profile_in_use`, `profile_corrupt`, `profile_newer`, `disk_full`,
 * `storage_failed`.
 */
async function openProfile(folder: string): Promise<KeyValue> {
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
  return await openLevel(join(folder, "db"));
}

function readDescription(path: string, text: string): z.infer<typeof description> {
  try {
    return description.parse(JSON.parse(text));
  } catch (cause) {
    throw new DovetailError("profile_corrupt", `${path} is damaged.`, { cause });
  }
}

export interface ProfileOptions {
  /** The profile folder. */
  readonly profile: string;
  readonly relayUrl: string;
  readonly deviceName: string;
  readonly direct: DirectTransport;
  readonly protector: Protector;
  readonly log: Log;
}

/**
 * The client core on a profile folder, with Node's ports.
 * @throws DovetailError `profile_in_use`, `profile_corrupt`, `profile_newer`, `disk_full`,
 * `storage_failed`.
 */
export async function openProfileClient(options: ProfileOptions): Promise<Client> {
  const store = await openProfile(options.profile);
  try {
    return await Client.open(
      {
        store,
        relay: relayDialer,
        direct: options.direct,
        keys: deviceKeys(options.profile, options.protector),
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
