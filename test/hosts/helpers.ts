import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { Log } from "../../shared/runtime.js";

export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };

/** A folder that is gone when the test is over. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "dovetail-hosts-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
