/** What is offered for containers agrees with the relay's options and with the files that are there. */
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { MAX_RETURN_MS } from "../../relay/core/bounds.js";
import { readOptions } from "../../relay/options.js";

const root = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const folder = root("docs/deploy");
const read = (name: string): string => readFileSync(`${folder}/${name}`, "utf8");

describe.each(readdirSync(folder))("docs/deploy/%s", (name) => {
  it("sets only options that the relay has", () => {
    for (const [variable] of read(name).matchAll(/\bDOVETAIL_RELAY_[A-Z_]+\b/g)) {
      const options = () => readOptions([], { [variable]: "" }, () => {});
      // A value may be wrong by itself; that there is no such option is another sentence.
      expect(() => {
        try {
          options();
        } catch (error) {
          if ((error as Error).message.includes("no option")) throw error;
        }
      }, variable).not.toThrow();
    }
  });
});

it("compose.yaml is accepted by the relay as it sets it", () => {
  const compose = read("compose.yaml");
  const environment = Object.fromEntries(
    [...compose.matchAll(/^ {4}(DOVETAIL_RELAY_[A-Z_]+): (.*)$/gm)].map(([, name, value = ""]) => [
      name,
      value.replace(/\$\{[^}]*\}/g, "example").replace(/^"(.*)"$/, "$1"),
    ]),
  );
  expect(readOptions([], environment, () => {})).toMatchObject({
    trustProxy: true,
    nats: { servers: ["nats-1", "nats-2", "nats-3"] },
    cassandra: { contactPoints: ["cassandra-1", "cassandra-2", "cassandra-3"] },
    turn: { secret: "example" },
  });
});

it("compose.yaml mounts and builds what is there", () => {
  const compose = read("compose.yaml");
  const mounted = [...compose.matchAll(/- (\.[^:\s]+):/g)].map(([, name]) => name as string);
  expect(mounted.length).toBeGreaterThan(2);
  for (const name of mounted) expect(existsSync(`${folder}/${name}`), name).toBe(true);
  const [, built = ""] = /dockerfile: (\S+)/.exec(compose) ?? [];
  expect(existsSync(root(built)), built).toBe(true);
});

it("no client reaches what stands behind the proxy, whose word the relays take", () => {
  const published = [...read("compose.yaml").matchAll(/ports: \[(.*)\]/g)].flatMap(
    ([, ports = ""]) => ports.split(", "),
  );
  const open = published.filter((port) => !port.startsWith('"127.0.0.1:'));
  expect(open).toEqual(['"80:80"', '"443:443"']);
});

it("proxy and Prometheus know every relay of compose.yaml", () => {
  const relays = [...read("compose.yaml").matchAll(/^ {2}(relay-\d+):/gm)].map(([, name]) => name);
  expect(relays).toHaveLength(3);
  for (const file of ["Caddyfile", "prometheus.yaml"]) {
    const known = [...read(file).matchAll(/\b(relay-\d+):8787\b/g)].map(([, name]) => name);
    expect(known, file).toEqual(relays);
  }
});

it("no secret and nothing that was built elsewhere goes into the container", () => {
  const ignored = readFileSync(root(".dockerignore"), "utf8").split("\n");
  expect(ignored).toEqual(expect.arrayContaining(["**/.env", ".git", "**/node_modules", "dist"]));
});

describe("the unit for systemd", () => {
  const unit = read("dovetail-relay.service");

  it("tells the first process alone to stop, which tells its workers, and gives it the time", () => {
    expect(unit).toMatch(/^KillMode=mixed$/m);
    const [, seconds] = /^TimeoutStopSec=(\d+)$/m.exec(unit) ?? [];
    expect(Number(seconds)).toBeGreaterThan((2 * MAX_RETURN_MS) / 1_000);
  });

  it("lets a process have the connections that one is thought for, and its databases' files", () => {
    const [, files] = /^LimitNOFILE=(\d+)$/m.exec(unit) ?? [];
    expect(Number(files)).toBeGreaterThan(50_000 + 17 * 1_000);
  });

  it("is understood by systemd, also where the relay does TLS itself", ({ skip }) => {
    const missing = spawnSync("systemd-analyze", ["--version"]).status !== 0;
    skip(missing, "systemd-analyze is not installed");
    const place = mkdtempSync(join(tmpdir(), "dovetail-unit-"));
    try {
      const name = "dovetail-relay.service";
      cpSync(`${folder}/${name}`, join(place, name));
      cpSync(`${folder}/tls.conf`, join(place, `${name}.d`, "tls.conf"));
      const { stderr } = spawnSync("systemd-analyze", ["verify", join(place, name)], {
        encoding: "utf8",
      });
      // Neither where Node is on this machine nor how its other units are says anything of this one.
      const said = stderr
        .split("\n")
        .filter((line) => line.includes("dovetail") && !line.includes("is not executable"));
      expect(said).toEqual([]);
    } finally {
      rmSync(place, { recursive: true });
    }
  });
});

it("env.example names every variable that compose.yaml asks for", () => {
  const asked = [...read("compose.yaml").matchAll(/\$\{([A-Z_]+)[:}]/g)].map(([, name]) => name);
  const named = [...read("env.example").matchAll(/^([A-Z_]+)=/gm)].map(([, name]) => name);
  expect(new Set(named)).toEqual(new Set(asked));
});
