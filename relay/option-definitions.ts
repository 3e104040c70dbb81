/** What options the relay has: how each is written, what it says of itself, and what it takes. */
import { availableParallelism } from "node:os";
import { z } from "zod";
import { MAX_ADDRESS_BYTES, MAX_ICE_SERVERS } from "../shared/limits.js";
import type { IceServer } from "../shared/protocol.js";
import type { Retention } from "./core/config.js";
import { FOLDERS } from "./store/sharded/folders.js";

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
export function defaultWorkers(): number {
  const cores = availableParallelism();
  return cores < 8 ? 1 : Math.min(FOLDERS, Math.floor(cores / 2));
}

export interface Definition {
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

type OptionalText = z.ZodOptional<ReturnType<typeof line>>;
type Access = "user" | "password" | "tls-ca" | "tls-cert" | "tls-key";

/** As whom, and how, the relay comes to a service. */
function accessTo<S extends string>(service: S, name: string) {
  const path = line(4_096).optional();
  const parts: Record<Access, Omit<Definition, "flag"> & { argument: string }> = {
    user: { argument: "name", help: `user of ${name}`, schema: line(128).optional(), secret: true },
    password: {
      argument: "text",
      help: "password of that user",
      schema: line(256).optional(),
      secret: true,
    },
    "tls-ca": {
      argument: "file",
      help: `certificates in PEM of those who sign ${name}'s; with it nothing goes there but by TLS`,
      schema: path,
    },
    "tls-cert": {
      argument: "file",
      help: `certificate in PEM by which ${name} knows the relay, where it asks for one`,
      schema: path,
    },
    "tls-key": { argument: "file", help: "its key in PEM", schema: path },
  };
  const all = Object.entries(parts).map(([part, { argument, ...rest }]) => {
    const key = `${service}-${part}`;
    return [key, { flag: `--${key} <${argument}>`, ...rest }];
  });
  return Object.fromEntries(all) as Record<`${S}-${Access}`, Definition & { schema: OptionalText }>;
}

/** By key: `--<key>`, `DOVETAIL_RELAY_<KEY>` with underscores, and `"<key>"` in the file. */
export const definitions = {
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
  ...accessTo("cassandra", "Cassandra"),
  nats: {
    flag: "--nats <server>",
    help: "`HOST:PORT` of a NATS server through which the relay's nodes hear each other; repeatable",
    schema: z.array(z.string()).transform(contactPoints),
    default: [],
    list: true,
  },
  ...accessTo("nats", "NATS"),
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
    help: "milliseconds of silence after which a client is asked; after as long again it is dropped",
    schema: whole(100, 600_000),
    default: 30_000,
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
