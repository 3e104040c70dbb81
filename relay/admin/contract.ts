/** What can be asked of a running relay by whoever operates it. Each call is a POST of JSON to `/<name>`. */
import { z } from "zod";
import { HANDLE_PATTERN } from "../../shared/ids.js";

const count = z.number().int().nonnegative();
/** Milliseconds since 1970. */
const moment = z.number().int();

const summary = z.object({
  label: z.string(),
  address: z.string().nullable(),
  startedAt: moment,
  draining: z.boolean(),
  connections: count,
  lag: z.object({ node: z.string(), ms: count }).nullable(),
  backlogEntries: count,
  backlogBytes: count,
  bufferedBytes: count,
  hot: z.array(z.object({ shard: count, requests: count, appends: count })).readonly(),
});

const nodeStatus = z.object({
  node: z.string(),
  here: z.boolean(),
  shards: count,
  goneAt: moment.nullable(),
  summary: summary.nullable(),
});

const handle = z.string().regex(HANDLE_PATTERN, "no handle");
const person = { userId: z.string(), handle: z.string(), displayName: z.string() };
const device = z.object({
  deviceId: z.string(),
  name: z.string(),
  addedAt: moment,
  connected: z.boolean(),
  /** 0 while it is connected, and where it never was. */
  lastSeen: moment,
});

/** As `--invite-code` takes them. */
const code = z
  .string()
  .regex(/^[A-Za-z0-9_-]{1,128}$/, "no code of A to Z, a to z, 0 to 9, - and _");
export const MAX_USES = 999_999_999;

/** What one answer lists at the most. */
export const MAX_LISTED = 500;

/** Milliseconds over which a relay may be drained: an hour. */
const MAX_DRAIN_MS = 3_600_000;

const nothing = z.strictObject({});

export const adminCalls = {
  status: {
    params: nothing,
    result: z.object({
      relay: z.string(),
      ready: z.boolean(),
      /** As they were some seconds ago; null where they could not be counted. */
      users: count.nullable(),
      nodes: z.array(nodeStatus).readonly(),
    }),
  },
  /** Everybody with a handle after that one, or from the first on. */
  users: {
    params: z.strictObject({ after: handle.nullable(), limit: z.int().min(1).max(MAX_LISTED) }),
    result: z.object({ users: z.array(z.object(person)).readonly() }),
  },
  user: {
    params: z.strictObject({ handle }),
    result: z.object({ ...person, lastSeen: moment, devices: z.array(device).readonly() }),
  },
  /** By its id, or the beginning of it that only one has. */
  removeDevice: {
    params: z.strictObject({ handle, device: z.string().regex(/^[0-9a-f]{4,32}$/, "no device") }),
    result: z.object({ deviceId: z.string(), name: z.string(), left: count }),
  },
  /** Codes after that one in the store; with the first of them also those that the relay was started with. */
  invites: {
    params: z.strictObject({ after: code.nullable(), limit: z.int().min(1).max(MAX_LISTED) }),
    result: z.object({
      needed: z.boolean(),
      more: z.boolean(),
      codes: z
        .array(
          z.object({
            code: z.string(),
            uses: count.nullable(),
            used: count,
            createdAt: moment.nullable(),
            revoked: z.boolean(),
            started: z.boolean(),
          }),
        )
        .readonly(),
    }),
  },
  createInvite: {
    params: z.strictObject({
      code: code.optional(),
      uses: z.int().min(1).max(MAX_USES).nullable(),
    }),
    result: z.object({ code: z.string(), uses: count.nullable() }),
  },
  revokeInvite: { params: z.strictObject({ code }), result: z.object({ code: z.string() }) },
  openRegistration: { params: nothing, result: nothing },
  /** Takes no new clients, sends those that are there away over the time, and ends the relay. */
  drain: {
    params: z.strictObject({ withinMs: z.number().int().min(0).max(MAX_DRAIN_MS) }),
    result: z.object({ connections: count }),
  },
} as const satisfies Record<string, { readonly params: z.ZodType; readonly result: z.ZodType }>;

export type AdminCall = keyof typeof adminCalls;
export type AdminParams<C extends AdminCall> = z.output<(typeof adminCalls)[C]["params"]>;
export type AdminResult<C extends AdminCall> = z.output<(typeof adminCalls)[C]["result"]>;

/** Does what is asked. */
export type AdminHandlers = {
  readonly [C in AdminCall]: (params: AdminParams<C>) => AdminResult<C> | Promise<AdminResult<C>>;
};

/** An answer that says why nothing was done. */
export const refusal = z.object({ code: z.string(), message: z.string() });
