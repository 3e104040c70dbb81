import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { OptionsError, readOptions } from "../../relay/options.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "dovetail-options-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function file(content: unknown): string {
  const path = join(folder, "relay.json");
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

const read = (args: string[], environment: Record<string, string> = {}) =>
  readOptions(args, environment, () => {});

describe("the relay's options", () => {
  it("a flag goes before the environment, that before the file, that before the default", () => {
    const path = file({ port: 1, host: "file", data: "file" });
    const environment = { DOVETAIL_RELAY_PORT: "2", DOVETAIL_RELAY_HOST: "environment" };
    expect(read(["--config", path, "--port", "3"], environment)).toMatchObject({
      port: 3,
      host: "environment",
      data: "file",
      heartbeatMs: 30_000,
    });
  });

  it("lists come by repeated flags, commas, or an array", () => {
    const invites = new Map([
      ["one", null],
      ["two", 5],
    ]);
    const args = ["--invite-code", "one", "--invite-code", "two:5"];
    expect(read(args)?.invites).toEqual(invites);
    expect(read([], { DOVETAIL_RELAY_INVITE_CODE: "one,two:5" })?.invites).toEqual(invites);
    const path = file({ "invite-code": ["one", "two:5"] });
    expect(read([], { DOVETAIL_RELAY_CONFIG: path })?.invites).toEqual(invites);
  });

  it("a TURN server comes with user and password", () => {
    const server = "turn:turn.example.org:3478?transport=tcp alice secret";
    expect(read(["--ice-server", server])?.iceServers).toEqual([
      {
        urls: ["turn:turn.example.org:3478?transport=tcp"],
        username: "alice",
        credential: "secret",
      },
    ]);
  });

  it("a TURN server that shares a secret has it from the environment, not from a flag", () => {
    const url = "turn:turn.example.org:3478";
    const secret = { DOVETAIL_RELAY_TURN_SECRET: "north" };
    expect(read(["--turn-server", url], secret)?.turn).toEqual({ urls: [url], secret: "north" });
    expect(read([])?.turn).toBeNull();
    for (const [args, environment] of [
      [["--turn-server", url], {}],
      [[], secret],
      [["--turn-server", `${url} alice secret`], secret],
      [["--turn-server", url, "--turn-secret", "north"], {}],
    ] as const) {
      expect(() => read([...args], environment)).toThrow(OptionsError);
    }
  });

  it.each([
    [[], "forever"],
    [["--retention", "forever"], "forever"],
    [["--retention", "delivered"], "delivered"],
    [["--retention", "30d"], { keepMs: 30 * 86_400_000 }],
  ])("keeps entries as %j says", (args, retention) => {
    expect(read(args)?.retention).toEqual(retention);
  });

  it.each([
    [["--port", "x"], {}, "--port is wrong: not a whole number"],
    [["--port", "70000"], {}, "--port is wrong"],
    [["--ports", "1"], {}, "unknown option '--ports'"],
    [["stray"], {}, "too many arguments"],
    [["--port"], {}, "argument missing"],
    [["--log-level", "loud"], {}, "--log-level is wrong"],
    [["--ice-server", "http://x"], {}, "--ice-server is wrong"],
    [["--ice-server", "turn:x:1"], {}, "a TURN server needs"],
    [["--retention", "30"], {}, "--retention is wrong: not `forever`"],
    [["--retention", "0d"], {}, "--retention is wrong"],
    [["--invite-code", "a b"], {}, "--invite-code is wrong"],
    [["--store", "files"], {}, "--store is wrong"],
    [["--store", "cassandra"], {}, "needs --cassandra-contact-points"],
    [["--cassandra-contact-points", "a,b c"], {}, "--cassandra-contact-points is wrong"],
    [["--cassandra-keyspace", "x; DROP"], {}, "--cassandra-keyspace is wrong"],
    [["--cassandra-local-dc", "dc'1"], {}, "--cassandra-local-dc is wrong"],
    [["--cassandra-replication", "0"], {}, "--cassandra-replication is wrong"],
    [["--cassandra-password", "secret"], {}, "unknown option"],
    [[], { DOVETAIL_RELAY_CASSANDRA_USER: "alice" }, "together, or not at all"],
    [["--nats", "10.0.0.1"], {}, "--nats goes with --store cassandra"],
    [["--nats", "a b"], {}, "--nats is wrong"],
    [["--tls-cert", "a.pem"], {}, "--tls-cert and --tls-key are given together"],
    [["--nats-tls-key", "a.pem"], {}, "--nats-tls-cert and --nats-tls-key are given together"],
    [
      ["--cassandra-tls-cert", "a.pem", "--cassandra-tls-key", "a.key"],
      {},
      "--cassandra-tls-cert needs --cassandra-tls-ca",
    ],
    [["--workers", "17"], {}, "--workers is wrong"],
    [
      ["--workers", "2", "--store", "cassandra", "--cassandra-contact-points", "a"],
      {},
      "--workers goes with --store level",
    ],
    [[], { DOVETAIL_RELAY_NATS_USER: "alice" }, "together, or not at all"],
    [[], { DOVETAIL_RELAY_PORT: "-1" }, "DOVETAIL_RELAY_PORT is wrong"],
    [[], { DOVETAIL_RELAY_PROT: "1" }, "DOVETAIL_RELAY_PROT, which is no option"],
    [["--config", "/no/such/file"], {}, "cannot be read"],
  ])("refuses %j %j with a sentence", (args, environment, sentence) => {
    expect(() => read(args, environment as Record<string, string>)).toThrow(OptionsError);
    expect(() => read(args, environment as Record<string, string>)).toThrow(sentence);
  });

  it.each([
    [{ prot: 1 }, '"prot", which is no option'],
    [{ port: true }, '"port" in'],
    [[1], "is not a JSON object"],
    ["{", "cannot be read"],
  ])("refuses the config file %j with a sentence", (content, sentence) => {
    expect(() => read(["--config", file(content)])).toThrow(sentence);
  });

  it("says where Cassandra is, and takes its password where nobody else can read it", () => {
    const args = ["--store", "cassandra", "--cassandra-contact-points", "10.0.0.1,[::1]:9042"];
    const environment = {
      DOVETAIL_RELAY_CASSANDRA_USER: "alice",
      DOVETAIL_RELAY_CASSANDRA_PASSWORD: "secret",
    };
    expect(read(args, environment)?.cassandra).toEqual({
      contactPoints: ["10.0.0.1", "[::1]:9042"],
      keyspace: "dovetail",
      localDatacenter: "datacenter1",
      replication: 3,
      user: "alice",
      password: "secret",
      tls: null,
    });
    expect(read([])?.cassandra).toBeNull();
  });

  it("says who vouches for Cassandra and NATS, and who the relay is to them", () => {
    const points = ["--store", "cassandra", "--cassandra-contact-points", "a", "--nats", "b"];
    const own = ["--nats-tls-cert", "relay.pem", "--nats-tls-key", "relay.key"];
    const authorities = ["--cassandra-tls-ca", "c.pem", "--nats-tls-ca", "n.pem"];
    expect(read([...points, ...authorities, ...own])).toMatchObject({
      cassandra: { tls: { ca: "c.pem", own: null } },
      nats: { tls: { ca: "n.pem", own: { cert: "relay.pem", key: "relay.key" } } },
    });
  });

  it("help names every option and reads nothing", () => {
    let help = "";
    const result = readOptions(["--help", "--port", "x"], {}, (text) => {
      help += text;
    });
    expect(result).toBeNull();
    for (const name of ["--port", "--data", "--invite-code", "--config", "DOVETAIL_RELAY_"]) {
      expect(help).toContain(name);
    }
  });
});
