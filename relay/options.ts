/** The relay's options: by flag, environment and config file alike, in this order of precedence. */
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { z } from "zod";
import { MAX_ICE_SERVERS } from "../shared/limits.js";
import { type Definition, defaultWorkers, definitions } from "./option-definitions.js";
import type { RelayServerOptions } from "./server/server.js";

export const ENVIRONMENT_PREFIX = "DOVETAIL_RELAY_";

type Key = keyof typeof definitions;
const keys = Object.keys(definitions) as Key[];
const definition = (key: Key): Definition => definitions[key];
const environmentName = (key: Key): string =>
  ENVIRONMENT_PREFIX + key.toUpperCase().replaceAll("-", "_");

const schema = z.object(
  Object.fromEntries(keys.map((key) => [key, definitions[key].schema])) as {
    [K in Key]: (typeof definitions)[K]["schema"];
  },
);

/** A wrong option, as a sentence for whoever gave it. */
export class OptionsError extends Error {}

export interface RelayOptions extends RelayServerOptions {
  /** Processes that share the data folder. */
  readonly workers: number;
  readonly logLevel: z.output<(typeof definitions)["log-level"]["schema"]>;
}

/**
 * Null where help was asked for, and was written.
 * @throws OptionsError
 */
export function readOptions(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
  write: (help: string) => void,
): RelayOptions | null {
  const flags = readFlags(args, write);
  if (!flags) return null;
  const variables = readEnvironment(environment);
  const path = flags.get("config") ?? environment[`${ENVIRONMENT_PREFIX}CONFIG`];
  const file = path === undefined ? new Map<string, unknown>() : readFile(String(path));

  const origin = new Map<Key, string>();
  const given = keys.map((key): [Key, unknown] => {
    const sources: [Map<string, unknown>, string][] = [
      [flags, `--${key}`],
      [variables, environmentName(key)],
      [file, `"${key}" in ${path}`],
    ];
    const [values, where] = sources.find(([each]) => each.has(key)) ?? [];
    if (where) origin.set(key, where);
    return [key, values ? values.get(key) : definition(key).default];
  });
  const checked = schema.safeParse(Object.fromEntries(given));
  if (!checked.success) {
    const [issue] = checked.error.issues;
    const where = origin.get(issue?.path[0] as Key);
    throw new OptionsError(`${where} is wrong: ${issue?.message}`);
  }
  const value = checked.data;
  const tls = pairOf("", value["tls-cert"], value["tls-key"]);
  const turn = { urls: value["turn-server"], secret: value["turn-secret"] };
  if ((turn.urls.length === 0) !== (turn.secret === undefined)) {
    throw new OptionsError("--turn-server and the TURN server's secret are given together.");
  }
  if (turn.secret && value["ice-server"].length === MAX_ICE_SERVERS) {
    throw new OptionsError(`There are more than ${MAX_ICE_SERVERS} ICE servers.`);
  }
  if (value.workers !== undefined && value.workers > 1 && value.store !== "level") {
    throw new OptionsError(
      "On a store that several share, start a relay for each core: --workers goes with --store level.",
    );
  }
  return {
    workers: value.store === "level" ? (value.workers ?? defaultWorkers()) : 1,
    host: value.host,
    port: value.port,
    data: value.data,
    ...services(value),
    name: value.name,
    advertise: value.advertise,
    invites: new Map(value["invite-code"]),
    iceServers: value["ice-server"],
    tls,
    turn: turn.secret === undefined ? null : { ...turn, secret: turn.secret },
    retention: value.retention,
    logLevel: value["log-level"],
    heartbeatMs: value["heartbeat-ms"],
    maxConnections: value["max-connections"],
    acceptRate: value["accept-rate"],
    deviceRate: value["device-rate"],
    addressRate: value["address-rate"],
    connectionRate: value["connection-rate"],
    conversationRate: value["conversation-rate"],
    undeliveredLimit: value["undelivered-limit"],
    addressConnections: value["address-connections"],
    registrationRate: value["registration-rate"],
    trustProxy: value["trust-proxy"],
  };
}

/** What the relay uses of others: its store and its bus. */
function services(value: z.output<typeof schema>): Pick<RelayOptions, "cassandra" | "nats"> {
  const contactPoints = value["cassandra-contact-points"];
  const servers = value.nats;
  const isCluster = value.store === "cassandra";
  if (isCluster && contactPoints.length === 0) {
    throw new OptionsError("The store cassandra needs --cassandra-contact-points.");
  }
  if (servers.length > 0 && !isCluster) {
    throw new OptionsError(
      "Several nodes need a store that they share: --nats goes with --store cassandra.",
    );
  }
  const cassandra = {
    contactPoints,
    keyspace: value["cassandra-keyspace"],
    localDatacenter: value["cassandra-local-dc"],
    replication: value["cassandra-replication"],
    ...access("cassandra", "Cassandra", value),
  };
  const nats = { servers, ...access("nats", "NATS", value) };
  return { cassandra: isCluster ? cassandra : null, nats: servers.length > 0 ? nats : null };
}

/** As whom, and how, the relay comes to a service. */
function access(service: "cassandra" | "nats", name: string, value: z.output<typeof schema>) {
  const [user, password] = [value[`${service}-user`], value[`${service}-password`]];
  if ((user === undefined) !== (password === undefined)) {
    throw new OptionsError(`${name}'s user and password are given together, or not at all.`);
  }
  const ca = value[`${service}-tls-ca`];
  const own = pairOf(`${service}-`, value[`${service}-tls-cert`], value[`${service}-tls-key`]);
  if (own && ca === undefined) {
    throw new OptionsError(`--${service}-tls-cert needs --${service}-tls-ca.`);
  }
  return { user, password, tls: ca === undefined ? null : { ca, own } };
}

function pairOf(prefix: string, cert: string | undefined, key: string | undefined) {
  if (cert !== undefined && key !== undefined) return { cert, key };
  if (cert === key) return null;
  throw new OptionsError(`--${prefix}tls-cert and --${prefix}tls-key are given together.`);
}

function readFlags(
  args: readonly string[],
  write: (help: string) => void,
): Map<string, unknown> | null {
  const command = new Command("dovetail-relay")
    .description("The relay of Dovetail: keeps the logs and carries what cannot go directly.")
    .exitOverride()
    .configureOutput({ writeOut: write, writeErr: () => {} })
    .allowExcessArguments(false)
    .option("--config <file>", "JSON file with the same options, by their names without dashes");
  for (const key of keys) {
    const { flag: usage, help, list, default: value, secret } = definition(key);
    if (secret) continue;
    const shown = value === undefined || list || value === false ? "" : ` (default: ${value})`;
    if (list) {
      command.option(usage, help, (one: string, all: string[] = []) => [...all, one]);
    } else command.option(usage, help + shown);
  }
  command.addHelpText(
    "after",
    `\nEach option may also be given as ${ENVIRONMENT_PREFIX}<NAME> in the environment (lists separated by\ncommas) or in the config file. A flag goes before the environment, that before the file.`,
  );
  try {
    command.parse(args, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return null;
    throw new OptionsError(error.message.replace(/^error: /, ""));
  }
  const options: Record<string, unknown> = command.opts();
  const camel = (key: string) => key.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
  return new Map(
    ["config", ...keys]
      .filter((key) => options[camel(key)] !== undefined)
      .map((key) => [key, options[camel(key)]]),
  );
}

function readEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
): Map<string, unknown> {
  const byName = new Map(keys.map((key) => [environmentName(key), key]));
  const values = new Map<string, unknown>();
  for (const [name, text] of Object.entries(environment)) {
    if (!name.startsWith(ENVIRONMENT_PREFIX) || name === `${ENVIRONMENT_PREFIX}CONFIG`) continue;
    const key = byName.get(name);
    if (!key) throw new OptionsError(`The environment has ${name}, which is no option.`);
    if (text === undefined) continue;
    const parts = () => text.split(",").filter((part) => part.trim() !== "");
    values.set(key, definition(key).list ? parts() : text);
  }
  return values;
}

function readFile(path: string): Map<string, unknown> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw new OptionsError(`The config file ${path} cannot be read: ${(error as Error).message}`);
  }
  const record = z.record(z.string(), z.unknown()).safeParse(parsed);
  if (!record.success) throw new OptionsError(`The config file ${path} is not a JSON object.`);
  for (const key of Object.keys(record.data)) {
    if (!Object.hasOwn(definitions, key)) {
      throw new OptionsError(`The config file ${path} has "${key}", which is no option.`);
    }
  }
  return new Map(Object.entries(record.data));
}
