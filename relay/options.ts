/** The relay's options: by flag, environment and config file alike, in this order of precedence. */
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { Command, CommanderError } from "commander";
import { z } from "zod";
import { MAX_ADDRESS_BYTES, MAX_ICE_SERVERS } from "../shared/limits.js";
import type { IceServer } from "../shared/protocol.js";
import type { Retention } from "./core/config.js";
import type { RelayServerOptions } from "./server/server.js";
import { FOLDERS } from "./store/sharded/folders.js";

export const ENVIRONMENT_PREFIX = "DOVETAIL_RELAY_";

const whole = (min: number, max: number) =>
  z
    .union([z.number(), z.string().regex(/^\d+$/).transform(Number)], "not a whole number")
    .pipe(z.int().min(min).max(max));
const flag = z.union(
  [
    z.boolean(),
    z.enum(["true", "false", "1", "0"]).transform((word) => word === "true" || word === "1"),
  ],
  "neither true nor false",
);
const line = (max: number) => z.string().trim().min(1, "empty").max(max);

/** `stun:host:port`, or `turn:host:port user password`. */
const iceServer = z.string().transform((value, context): IceServer => {
  const [url = "", username = null, credential = null, ...rest] = value.trim().split(/\s+/);
  const wrong =
    !/^(?:stun|stuns|turn|turns):\S+$/.test(url) || url.length > 512 || rest.length > 0
      ? "not `stun:HOST:PORT` or `turn:HOST:PORT USER PASSWORD`"
      : url.startsWith("turn") && credential === null
        ? "a TURN server needs a user and a password"
        : null;
  if (wrong) context.addIssue({ code: "custom", message: wrong });
  return { urls: [url], username, credential };
});

const isRelayAddress = (value: string): boolean =>
  URL.canParse(value) && /^wss?:$/.test(new URL(value).protocol);

const MAX_TURN_URLS = 4;

/** Without credentials: those come of the secret. */
const turnServer = z
  .string()
  .trim()
  .regex(/^turns?:\S+$/, "not `turn:HOST:PORT` without user and password")
  .max(512);

const invite = z
  .string()
  .regex(/^[A-Za-z0-9_-]{1,128}(?::[1-9]\d{0,8})?$/, "not `CODE` or `CODE:USES`")
  .transform((value): [string, number | null] => {
    const [code = "", uses] = value.split(":");
    return [code, uses === undefined ? null : Number(uses)];
  });

const DAY_MS = 86_400_000;
const retention = z
  .string()
  .regex(
    /^(?:forever|delivered|[1-9]\d{0,4}d)$/,
    "not `forever`, `delivered` or a number of days as in `30d`",
  )
  .transform(
    (value): Retention =>
      value === "forever" || value === "delivered"
        ? value
        : { keepMs: Number.parseInt(value, 10) * DAY_MS },
  );

const MAX_CONTACT_POINTS = 32;

function contactPoints(values: readonly string[], context: z.RefinementCtx): readonly string[] {
  const points = values.flatMap((value) => value.split(",")).map((point) => point.trim());
  const wrong = points.find(
    (point) => !/^[A-Za-z0-9._-]+(?::\d{1,5})?$|^\[[0-9A-Fa-f:]+\](?::\d{1,5})?$/.test(point),
  );
  if (wrong !== undefined || points.length > MAX_CONTACT_POINTS) {
    context.addIssue({
      code: "custom",
      message: `not at most ${MAX_CONTACT_POINTS} of \`ADDRESS\` or \`ADDRESS:PORT\``,
    });
  }
  return points;
}

/**
 * One for every two cores, because the database's own threads need some too; on a small machine what the
 * workers have to say to each other costs more than they gain (docs/performance.md).
 */
function defaultWorkers(): number {
  const cores = availableParallelism();
  return cores < 8 ? 1 : Math.min(FOLDERS, Math.floor(cores / 2));
}

interface Definition {
  /** How the flag is written, with its argument. */
  readonly flag: string;
  readonly help: string;
  readonly schema: z.ZodType;
  readonly default?: unknown;
  /** May be given several times; separated by commas in the environment. */
  readonly list?: boolean;
  /** No flag, which everybody on the machine could read: environment and file only. */
  readonly secret?: boolean;
}

/** By key: `--<key>`, `DOVETAIL_RELAY_<KEY>` with underscores, and `"<key>"` in the file. */
const definitions = {
  host: {
    flag: "--host <address>",
    help: "address to listen on",
    schema: line(255),
    default: "127.0.0.1",
  },
  port: {
    flag: "--port <number>",
    help: "port to listen on; 0 for any that is free",
    schema: whole(0, 65_535),
    default: 8787,
  },
  data: {
    flag: "--data <folder>",
    help: "folder of the database; made where it is missing",
    schema: line(4_096),
    default: "relay-data",
  },
  store: {
    flag: "--store <which>",
    help: "level: a database of its own in the data folder; cassandra: a cluster's",
    schema: z.enum(["level", "cassandra"]),
    default: "level",
  },
  workers: {
    flag: "--workers <number>",
    help: `processes that share the work on the database in the data folder; at most ${FOLDERS} (default: one, from 8 cores on half as many as cores)`,
    schema: whole(1, FOLDERS).optional(),
  },
  "cassandra-contact-points": {
    flag: "--cassandra-contact-points <address[:port]>",
    help: "nodes of Cassandra to ask first; repeatable, or separated by commas",
    schema: z.array(z.string()).transform(contactPoints),
    default: [],
    list: true,
  },
  "cassandra-keyspace": {
    flag: "--cassandra-keyspace <name>",
    help: "keyspace of the tables; made where it is missing",
    schema: z.string().regex(/^[a-z][a-z0-9_]{0,47}$/, "not a name of a to z, 0 to 9 and _"),
    default: "dovetail",
  },
  "cassandra-local-dc": {
    flag: "--cassandra-local-dc <name>",
    help: "datacenter of Cassandra in which this relay stands",
    schema: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, "not the name of a datacenter"),
    default: "datacenter1",
  },
  "cassandra-replication": {
    flag: "--cassandra-replication <copies>",
    help: "copies of everything in that datacenter, for a keyspace that is made",
    schema: whole(1, 9),
    default: 3,
  },
  "cassandra-user": {
    flag: "--cassandra-user <name>",
    help: "user of Cassandra",
    schema: line(128).optional(),
    secret: true,
  },
  "cassandra-password": {
    flag: "--cassandra-password <text>",
    help: "password of that user",
    schema: line(256).optional(),
    secret: true,
  },
  nats: {
    flag: "--nats <server>",
    help: "`HOST:PORT` of a NATS server through which the relay's nodes hear each other; repeatable",
    schema: z.array(z.string()).transform(contactPoints),
    default: [],
    list: true,
  },
  "nats-user": {
    flag: "--nats-user <name>",
    help: "user of NATS",
    schema: line(128).optional(),
    secret: true,
  },
  "nats-password": {
    flag: "--nats-password <text>",
    help: "password of that user",
    schema: line(256).optional(),
    secret: true,
  },
  name: {
    flag: "--name <text>",
    help: "name that clients sign; by default a random one that is kept with the data",
    schema: line(64).optional(),
  },
  "invite-code": {
    flag: "--invite-code <code[:uses]>",
    help: "code that registering needs, usable as often as said; repeatable",
    schema: z.array(invite),
    default: [],
    list: true,
  },
  "ice-server": {
    flag: "--ice-server <server>",
    help: "`stun:HOST:PORT` or `turn:HOST:PORT USER PASSWORD` for direct channels; repeatable",
    schema: z.array(iceServer).max(MAX_ICE_SERVERS),
    default: [],
    list: true,
  },
  advertise: {
    flag: "--advertise <url>",
    help: "ws: or wss: address under which clients reach this relay; of several relays each tells its clients those of all",
    schema: line(MAX_ADDRESS_BYTES)
      .refine(isRelayAddress, "not a ws:// or wss:// address")
      .optional(),
  },
  "tls-cert": {
    flag: "--tls-cert <file>",
    help: "certificate in PEM, with those that lead to it; with --tls-key clients come by wss:",
    schema: line(4_096).optional(),
  },
  "tls-key": {
    flag: "--tls-key <file>",
    help: "its key in PEM",
    schema: line(4_096).optional(),
  },
  "turn-server": {
    flag: "--turn-server <server>",
    help: "`turn:HOST:PORT` of a TURN server that shares a secret with the relay; repeatable",
    schema: z.array(turnServer).max(MAX_TURN_URLS),
    default: [],
    list: true,
  },
  "turn-secret": {
    flag: "--turn-secret <text>",
    help: "secret that the TURN server shares with the relay",
    schema: line(256).optional(),
    secret: true,
  },
  retention: {
    flag: "--retention <how long>",
    help: "how long entries are kept: forever, a number of days as in `30d`, or delivered: until every device of every member has them",
    schema: retention,
    default: "forever",
  },
  "log-level": {
    flag: "--log-level <level>",
    help: "fatal, error, warn, info, debug or silent",
    schema: z.enum(["fatal", "error", "warn", "info", "debug", "silent"]),
    default: "info",
  },
  "heartbeat-ms": {
    flag: "--heartbeat-ms <ms>",
    help: "milliseconds between heartbeats; who is silent for two is dropped",
    schema: whole(100, 600_000),
    default: 15_000,
  },
  "max-connections": {
    flag: "--max-connections <number>",
    help: "connections at once",
    schema: whole(1, 1_000_000),
    default: 10_000,
  },
  "accept-rate": {
    flag: "--accept-rate <number>",
    help: "new connections a second that a process takes; others are told when it is their turn",
    schema: whole(1, 1_000_000),
    default: 500,
  },
  "device-rate": {
    flag: "--device-rate <number>",
    help: "requests a second of one device",
    schema: whole(1, 1_000_000),
    default: 500,
  },
  "address-rate": {
    flag: "--address-rate <number>",
    help: "frames a second of one network address",
    schema: whole(1, 1_000_000),
    default: 10_000,
  },
  "connection-rate": {
    flag: "--connection-rate <number>",
    help: "new connections a second of one network address",
    schema: whole(1, 1_000_000),
    default: 50,
  },
  "registration-rate": {
    flag: "--registration-rate <number>",
    help: "registrations a minute of one network address",
    schema: whole(1, 1_000_000),
    default: 60,
  },
  "conversation-rate": {
    flag: "--conversation-rate <number>",
    help: "conversations that one device may open, make or join in an hour",
    schema: whole(1, 1_000_000),
    default: 500,
  },
  "undelivered-limit": {
    flag: "--undelivered-limit <number>",
    help: "entries of one conversation that wait for somebody else to take the first of them",
    schema: whole(1_000, 1_000_000_000),
    default: 200_000,
  },
  "address-connections": {
    flag: "--address-connections <number>",
    help: "connections at once of one address; further ones get HTTP 429",
    schema: whole(1, 1_000_000),
    default: 1_000,
  },
  "trust-proxy": {
    flag: "--trust-proxy",
    help: "take the client's address from the last X-Forwarded-For of a proxy in front",
    schema: flag,
    default: false,
  },
} as const satisfies Record<string, Definition>;

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
  const points = value["cassandra-contact-points"];
  if (value.store === "cassandra" && points.length === 0) {
    throw new OptionsError("The store cassandra needs --cassandra-contact-points.");
  }
  if ((value["cassandra-user"] === undefined) !== (value["cassandra-password"] === undefined)) {
    throw new OptionsError("Cassandra's user and password are given together, or not at all.");
  }
  if (value.nats.length > 0 && value.store === "level") {
    throw new OptionsError(
      "Several nodes need a store that they share: --nats goes with --store cassandra.",
    );
  }
  if ((value["nats-user"] === undefined) !== (value["nats-password"] === undefined)) {
    throw new OptionsError("NATS's user and password are given together, or not at all.");
  }
  const tls = { cert: value["tls-cert"], key: value["tls-key"] };
  if ((tls.cert === undefined) !== (tls.key === undefined)) {
    throw new OptionsError("--tls-cert and --tls-key are given together.");
  }
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
    cassandra:
      value.store === "cassandra"
        ? {
            contactPoints: points,
            keyspace: value["cassandra-keyspace"],
            localDatacenter: value["cassandra-local-dc"],
            replication: value["cassandra-replication"],
            user: value["cassandra-user"],
            password: value["cassandra-password"],
          }
        : null,
    nats:
      value.nats.length > 0
        ? { servers: value.nats, user: value["nats-user"], password: value["nats-password"] }
        : null,
    name: value.name,
    advertise: value.advertise,
    invites: new Map(value["invite-code"]),
    iceServers: value["ice-server"],
    tls: tls.cert && tls.key ? { cert: tls.cert, key: tls.key } : null,
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
