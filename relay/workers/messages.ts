/** What the first process and its workers say to each other. */
import { z } from "zod";
import { FOLDERS } from "../store/sharded/folders.js";
import { SECRET_BYTES } from "./link.js";

/** In the environment of a worker. Holds a secret, and is taken out of it at once. */
export const WORKER_VARIABLE = "DOVETAIL_WORKER";

const workerSchema = z.object({
  index: z.int().min(0).max(FOLDERS),
  count: z.int().min(1).max(FOLDERS),
  sockets: z.string().min(1),
  secret: z.base64().transform((text) => Buffer.from(text, "base64")),
  name: z.string().min(1),
});

export type WorkerSettings = z.output<typeof workerSchema>;

export const encodeSettings = ({ secret, ...settings }: WorkerSettings): string =>
  JSON.stringify({ ...settings, secret: Buffer.from(secret).toString("base64") });

/** @throws where this process was not started as a worker. */
export function takeSettings(environment: NodeJS.ProcessEnv): WorkerSettings {
  const settings = workerSchema.parse(JSON.parse(environment[WORKER_VARIABLE] ?? "null"));
  delete environment[WORKER_VARIABLE];
  if (settings.secret.length !== SECRET_BYTES) throw new RangeError("A secret of another length.");
  return settings;
}

export const fromWorker = z.discriminatedUnion("type", [
  z.object({ type: z.literal("listening"), url: z.string(), http: z.string(), port: z.int() }),
  /** It cannot start. */
  z.object({ type: z.literal("failed"), reason: z.string() }),
  /** The first of all, and every now and then: it listens, and its event loop runs. */
  z.object({ type: z.literal("alive") }),
  /** An operator's command: all workers are to send their clients away. */
  z.object({ type: z.literal("drain"), withinMs: z.int().nonnegative() }),
  /** Its clients are away, as `drain` has told it. */
  z.object({ type: z.literal("drained") }),
  /** Its clients are away and its writes done. */
  z.object({ type: z.literal("stopped") }),
]);
export type FromWorker = z.output<typeof fromWorker>;

export const toWorker = z.discriminatedUnion("type", [
  z.object({ type: z.enum(["stop", "close", "renew"]) }),
  /** Takes no new clients, also where it has only begun, and sends those that are there away. */
  z.object({ type: z.literal("drain"), withinMs: z.int().nonnegative() }),
]);
export type ToWorker = z.output<typeof toWorker>;
