/** What an operator types, against a relay that runs in this process. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { AdminHandlers, AdminResult } from "../../../relay/admin/contract.js";
import { startAdminServer } from "../../../relay/admin/server.js";
import { invites } from "../../../relay/commands/invites.js";
import { status } from "../../../relay/commands/status.js";
import { users } from "../../../relay/commands/users.js";
import { type RelayServer, startRelayServer } from "../../../relay/server/server.js";
import type { Log } from "../../../shared/runtime.js";
import { Client, remote } from "../world.js";
import { status as example } from "./example.js";

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };

let data: string;
let server: RelayServer;
let alice: Client;

interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function run(
  command: (args: readonly string[]) => Promise<number>,
  ...args: string[]
): Promise<Said> {
  const said = { out: "", err: "" };
  const spies = (["out", "err"] as const).map((which) =>
    vi.spyOn(process[`std${which}`], "write").mockImplementation((text) => {
      said[which] += text;
      return true;
    }),
  );
  try {
    return { code: await command(args), ...said };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

const begin = (started: ReadonlyMap<string, number | null> = new Map()) =>
  startRelayServer(
    {
      data,
      host: "127.0.0.1",
      port: 0,
      heartbeatMs: 15_000,
      iceServers: [],
      invites: started,
      maxConnections: 100,
      deviceRate: 10_000,
      addressRate: 10_000,
      connectionRate: 10_000,
      registrationRate: 10_000,
      acceptRate: 10_000,
      conversationRate: 10_000,
      addressConnections: 1_000,
      trustProxy: false,
    },
    pino({ level: "silent" }),
  );

async function restart(started: ReadonlyMap<string, number | null>): Promise<void> {
  await server.close();
  server = await begin(started);
}

beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), "dovetail-commands-"));
  server = await begin();
  alice = new Client(remote(server.url));
  await alice.register("alice");
});
afterEach(async () => {
  await server.close();
  await rm(data, { recursive: true });
});

describe("status", () => {
  it("tells people in tables how the relay is and what is hot", async () => {
    await alice.append(await alice.open(alice.userId), 1, ["1", "2", "3"]);
    const { code, out, err } = await run(status, "--data", data);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out).toMatch(
      /^Relay relay-\S+, ready: nodes 1, connections 1, registered users 1\.\n\n/,
    );
    expect(out).toMatch(/^\S+\/\d+ \(asked\) +there +\d+ \w+ +16384 +1 /m);
    expect(out).toMatch(/^ *\d+ +\S+\/\d+ +\d+ +3$/m);
  });

  it("tells scripts everything in one line", async () => {
    const { out } = await run(status, "--data", data, "--json");
    expect(out.endsWith("\n")).toBe(true);
    expect(JSON.parse(out)).toMatchObject({
      ready: true,
      users: 1,
      nodes: [{ here: true, summary: { connections: 1, draining: false } }],
    });
  });

  it("shows of several nodes who is gone, who drains, whose pushes lag and where it is hot", async () => {
    const folder = join(data, "another");
    const [one] = example.nodes;
    const summary = (label: string, more: object = {}) => ({ ...one?.summary, label, ...more });
    const nodes = [
      { ...one, node: "1", summary: summary("north/1", { lag: { node: "2", ms: 5_000 } }) },
      { ...one, node: "2", here: false, summary: summary("south/2", { draining: true, hot: [] }) },
      { ...one, node: "3", here: false, goneAt: Date.now() - 61_000, summary: summary("west/3") },
      { ...one, node: "4444444444", here: false, summary: null },
    ] as AdminResult<"status">["nodes"];
    const handlers = { status: () => ({ ...example, nodes }) } as Partial<AdminHandlers>;
    const admin = await startAdminServer(folder, handlers as AdminHandlers, silent);
    const { out } = await run(status, "--data", folder);
    await admin.close();
    expect(out).toContain("ready: nodes 3, connections 14,");
    expect(out).toMatch(/^north\/1 \(asked\) +there .* 5000 ms to south\/2 /m);
    expect(out).toMatch(/^south\/2 +draining /m);
    expect(out).toMatch(/^west\/3 +gone 1 min ago /m);
    expect(out).toMatch(/^44444444 +not heard of yet /m);
    expect(out).toMatch(/^ +3 +north\/1 +60 +30$/m);
    expect(out).not.toMatch(/^ +3 +west/m);
  });

  it("finds the folder as start does", async () => {
    vi.stubEnv("DOVETAIL_RELAY_DATA", data);
    expect(await run(status)).toMatchObject({ code: 0 });
    vi.unstubAllEnvs();
  });

  it("says what is wrong with how it was called, and where no relay runs", async () => {
    expect(await run(status, "--nonsense")).toMatchObject({
      code: 2,
      err: expect.stringContaining("unknown option"),
    });
    expect(await run(status, "--help")).toMatchObject({
      code: 0,
      out: expect.stringContaining("--data <folder>"),
    });
    expect(await run(status, "--data", join(data, "elsewhere"))).toEqual({
      code: 1,
      out: "",
      err: expect.stringMatching(/^No relay runs on the data in .*elsewhere/),
    });
  });
});

describe("users", () => {
  it("lists everybody by handle, and shows one", async () => {
    const bob = new Client(remote(server.url));
    await bob.register("bob");
    const { out } = await run(users, "list", "--data", data);
    expect(out).toMatch(
      /^HANDLE +USER +NAME\nalice +[0-9a-f]{32} +ALICE\nbob +[0-9a-f]{32} +BOB\n$/,
    );
    const json = await run(users, "--json", "--data", data, "list");
    expect(
      json.out
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line)),
    ).toEqual([
      { userId: alice.userId, handle: "alice", displayName: "ALICE" },
      { userId: bob.userId, handle: "bob", displayName: "BOB" },
    ]);
    const shown = await run(users, "show", "@alice", "--data", data);
    expect(shown.out).toContain(`alice, ALICE\nuser ${alice.userId}, connected\n`);
    expect(shown.out).toMatch(new RegExp(`^${alice.key.deviceId} .* UTC +connected +laptop$`, "m"));
  });

  it("removes a device, which is out at once and for good", async () => {
    const { deviceId } = alice.key;
    const short = deviceId.slice(0, 6);
    const { code, out } = await run(users, "remove-device", "alice", short, "--data", data);
    expect(code).toBe(0);
    expect(out).toBe(`Removed ${deviceId} (laptop) of alice, who has 0 left.\n`);
    await alice.closed();
    expect(alice.all("error").at(-1)?.code).toBe("device_removed");
    const again = new Client(remote(server.url), alice.key);
    void again.authenticate();
    await again.closed();
    expect(again.all("error").at(-1)?.code).toBe("device_removed");
  });

  it.each([
    [["show", "nobody"], 1, "Nobody has the handle nobody."],
    [["show", "al"], 1, "handle is wrong"],
    [["remove-device", "alice", "ffffffff"], 1, "alice has no device ffffffff."],
    [["remove-device", "alice", "x"], 1, "device is wrong"],
    [["remove-device", "alice"], 2, "missing required argument 'device'"],
    [["nonsense"], 2, "unknown command 'nonsense'"],
    [[], 2, "remove-device"],
  ])("refuses %j with exit code %i and a sentence", async (args, code, sentence) => {
    expect(await run(users, ...args, "--data", data)).toEqual({
      code,
      out: "",
      err: expect.stringContaining(sentence),
    });
  });
});

describe("invites", () => {
  /** What the relay says to somebody who registers with that code. */
  async function registering(handle: string, code: string | null): Promise<string> {
    const client = new Client(remote(server.url));
    client.sendRegister(await client.challenge(), handle, code);
    const answer = () => client.all("welcome")[0]?.type ?? client.all("error")[0]?.code;
    return client.until(answer);
  }

  it("close registration to whoever has none, until it is opened again", async () => {
    const listed = () => run(invites, "list", "--data", data);
    expect((await listed()).out).toBe("Everybody may register without a code.\n");
    const { out } = await run(invites, "create", "--uses", "1", "--data", data);
    const code = out.trim();
    expect(code).toMatch(/^[a-z2-9]{12}$/);
    expect(await registering("bob", null)).toBe("invite_required");
    expect(await registering("bob", "guessed")).toBe("invite_invalid");
    expect(await registering("bob", code)).toBe("welcome");
    expect(await registering("carol", code)).toBe("invite_invalid");
    expect((await listed()).out).toMatch(
      new RegExp(`^Registering needs a code.\n\nCODE .*\n${code} +1 +1 +used up +\\S+ \\S+ UTC\n$`),
    );
    await run(invites, "open", "--data", data);
    expect(await registering("carol", null)).toBe("welcome");
  });

  it("are worth nothing once revoked, and never come back", async () => {
    await run(invites, "create", "--code", "north", "--data", data);
    expect(await registering("bob", "north")).toBe("welcome");
    expect(await run(invites, "revoke", "north", "--data", data)).toMatchObject({ code: 0 });
    expect(await registering("carol", "north")).toBe("invite_invalid");
    expect(await registering("carol", null)).toBe("invite_required");
    expect(await run(invites, "create", "--code", "north", "--data", data)).toMatchObject({
      code: 1,
      err: expect.stringContaining("There is or was a code north"),
    });
    const { out } = await run(invites, "list", "--json", "--data", data);
    expect(JSON.parse(out)).toMatchObject({ code: "north", used: 1, uses: null, revoked: true });
  });

  it("of the start stand beside them and are not changed here", async () => {
    await restart(new Map([["first", 3]]));
    await run(invites, "create", "--code", "second", "--data", data);
    expect(await registering("bob", "first")).toBe("welcome");
    expect(await registering("carol", "second")).toBe("welcome");
    expect(await registering("dave", null)).toBe("invite_required");
    const { out } = await run(invites, "list", "--data", data);
    expect(out).toMatch(/^first +1 +3 +good +by --invite-code$/m);
    expect(out).toMatch(/^second +1 +any number +good +\S+ \S+ UTC$/m);
    for (const args of [["revoke", "first"], ["create", "--code", "first"], ["open"]]) {
      expect(await run(invites, ...args, "--data", data)).toMatchObject({
        code: 1,
        err: expect.stringContaining("--invite-code"),
      });
    }
  });

  it.each([
    [["revoke", "nothing"], 1, "There is no code nothing."],
    [["create", "--uses", "0"], 2, "It is not a whole number from 1"],
    [["create", "--code", "a b"], 1, "code is wrong"],
  ])("refuses %j with exit code %i and a sentence", async (args, code, sentence) => {
    const said = await run(invites, ...args, "--data", data);
    expect(said).toMatchObject({ code, err: expect.stringContaining(sentence) });
  });
});
