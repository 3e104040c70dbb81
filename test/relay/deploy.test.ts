/** What is offered for containers agrees with the relay's options and with the files that are there. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
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
  const mounted = [...compose.matchAll(/- \.\/([^:\s]+):/g)].map(([, name]) => name as string);
  expect(mounted.length).toBeGreaterThan(2);
  for (const name of mounted) expect(existsSync(`${folder}/${name}`), name).toBe(true);
  const [, built = ""] = /dockerfile: (\S+)/.exec(compose) ?? [];
  expect(existsSync(root(built)), built).toBe(true);
});

it("env.example names every variable that compose.yaml asks for", () => {
  const asked = [...read("compose.yaml").matchAll(/\$\{([A-Z_]+)[:}]/g)].map(([, name]) => name);
  const named = [...read("env.example").matchAll(/^([A-Z_]+)=/gm)].map(([, name]) => name);
  expect(new Set(named)).toEqual(new Set(asked));
});
