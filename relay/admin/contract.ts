/** What can be asked of a running relay by whoever operates it. Each call is a POST of JSON to `/<name>`. */
import { z } from "zod";

const nothing = z.strictObject({});

export const adminCalls = {
  status: {
    params: nothing,
    result: z.object({
      relay: z.string(),
      ready: z.boolean(),
    }),
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
