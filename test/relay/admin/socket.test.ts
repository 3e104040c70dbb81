import { spawnSync } from "node:child_process";
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { askRelay } from "../../../relay/admin/client.js";
import type { AdminHandlers } from "../../../relay/admin/contract.js";
import { startAdminServer } from "../../../relay/admin/server.js";
import { adminSocketPath } from "../../../relay/admin/socket-path.js";
import { DovetailError } from "../../../shared/errors.js";
import type { Log } from "../../../shared/runtime.js";
import { status } from "./example.js";

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };
const unused = () => {
  throw new Error("It was not to be asked.");
};

let data: string;
const opened: { close(): Promise<unknown> }[] = [];

const handlers = Object.fromEntries(
  ["status"].map((name) => [name, unused]),
) as unknown as AdminHandlers;

async function serve(folder: string, some: Partial<AdminHandlers> = {}): Promise<void> {
  opened.push(await startAdminServer(folder, { ...handlers, ...some }, silent));
}

/** As somebody might ask who has no client of ours. */
const raw = (path: string, body: string): Promise<{ status: number; body: string }> =>
  new Promise((resolve, reject) => {
    const socketPath = adminSocketPath(data);
    const headers = { "content-type": "application/json" };
    const asking = request({ socketPath, method: "POST", path, headers }, async (answer) =>
      resolve({ status: answer.statusCode ?? 0, body: await text(answer) }),
    );
    asking.on("error", reject);
    asking.end(body);
  });

beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), "dovetail-admin-"));
});
afterEach(async () => {
  for (const each of opened.splice(0)) await each.close();
  await rm(data, { recursive: true });
});

describe("the socket of a relay's operator", () => {
  it("is in the data folder, is its owner's alone, and goes with the relay", async () => {
    await serve(data, { status: () => status });
    expect(await askRelay(data, "status", {})).toEqual(status);
    const path = join(data, "admin.sock");
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    await opened.pop()?.close();
    await expect(stat(path)).rejects.toMatchObject({ code: "ENOENT" });
  });

  it("is elsewhere where its path would be too long", async () => {
    const long = join(data, "a".repeat(100));
    await serve(long, { status: () => status });
    expect(adminSocketPath(long).startsWith(long)).toBe(false);
    expect(adminSocketPath(long)).not.toBe(adminSocketPath(`${long}b`));
    expect(await askRelay(long, "status", {})).toEqual(status);
  });

  it("takes the place of one that a killed relay has left", async () => {
    const code = `require("net").createServer().listen(process.argv[1], () => process.kill(process.pid, "SIGKILL"))`;
    spawnSync(process.execPath, ["-e", code, adminSocketPath(data)]);
    expect((await stat(adminSocketPath(data))).isSocket()).toBe(true);
    await expect(askRelay(data, "status", {})).rejects.toMatchObject({ code: "relay_unreachable" });
    await serve(data, { status: () => status });
    expect(await askRelay(data, "status", {})).toEqual(status);
  });

  it("stays with the relay that has it", async () => {
    await serve(data, { status: () => status });
    await expect(serve(data)).rejects.toMatchObject({ code: "EADDRINUSE" });
    expect(await askRelay(data, "status", {})).toEqual(status);
  });

  it("says so where no relay runs", async () => {
    await expect(askRelay(data, "status", {})).rejects.toMatchObject({
      code: "relay_unreachable",
      message: expect.stringContaining(data),
    });
    await expect(askRelay(join(data, "a".repeat(100)), "status", {})).rejects.toMatchObject({
      code: "relay_unreachable",
    });
    await writeFile(join(data, "admin.sock"), "");
    await expect(askRelay(data, "status", {})).rejects.toMatchObject({ code: "relay_unreachable" });
  });
});

describe("what is asked there", () => {
  it("is refused where it is not what it should be, and names what is wrong", async () => {
    await serve(data);
    for (const [path, body, code] of [
      ["/status", "{", 400],
      ["/status", '{"more":1}', 400],
      ["/nonsense", "{}", 404],
    ] as const) {
      expect((await raw(path, body)).status).toBe(code);
    }
    expect(JSON.parse((await raw("/status", '{"more":1}')).body)).toMatchObject({
      code: "invalid_params",
      message: expect.stringContaining("more"),
    });
  });

  it("comes back as the error that the relay gives", async () => {
    await serve(data, {
      status: () => {
        throw new DovetailError("not_found", "There is no such thing here.");
      },
    });
    await expect(askRelay(data, "status", {})).rejects.toMatchObject({
      code: "not_found",
      message: "There is no such thing here.",
    });
  });

  it("is not believed where the relay speaks otherwise", async () => {
    await serve(data, { status: () => ({ ...status, ready: "yes" }) as never });
    await expect(askRelay(data, "status", {})).rejects.toMatchObject({ code: "internal" });
  });
});
