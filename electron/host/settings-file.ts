/** What the desktop host remembers of a profile beside the core's own data; losing it loses nothing. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { writeWhole } from "../node/files.js";
import { isRelayUrl } from "./options.js";

const content = z.object({
  relay: z.string().refine(isRelayUrl).optional(),
  bounds: z
    .object({ x: z.int(), y: z.int(), width: z.int().min(1), height: z.int().min(1) })
    .optional(),
  maximized: z.boolean().optional(),
  /** The person was told that this system keeps no secrets. */
  toldUnprotected: z.boolean().optional(),
});
export type Remembered = z.infer<typeof content>;

export class SettingsFile {
  readonly #path: string;
  #value: Remembered;
  #writing: Promise<void> = Promise.resolve();

  private constructor(path: string, value: Remembered) {
    this.#path = path;
    this.#value = value;
  }

  static async open(profile: string): Promise<SettingsFile> {
    const path = join(profile, "desktop.json");
    return new SettingsFile(path, await read(path));
  }

  get value(): Remembered {
    return this.#value;
  }

  /** Resolves when this change and those before it are on disk. */
  change(change: Remembered): Promise<void> {
    this.#value = { ...this.#value, ...change };
    this.#writing = this.#writing
      .catch(() => undefined)
      .then(() => writeWhole(this.#path, `${JSON.stringify(this.#value)}\n`));
    return this.#writing;
  }
}

async function read(path: string): Promise<Remembered> {
  try {
    return content.parse(JSON.parse(await readFile(path, "utf8")));
  } catch {
    // Missing or damaged: the window stands in its usual place, and that is all.
    return {};
  }
}
