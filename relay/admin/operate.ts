import type { Log } from "../../shared/runtime.js";
import type { RelayStore } from "../core/ports.js";
import type { Relay } from "../core/relay.js";
import type { AdminHandlers } from "./contract.js";
import { inviteHandlers } from "./registration.js";
import { type AdminServer, type BackUp, startAdminServer } from "./server.js";
import { userHandlers } from "./users.js";

interface OperatedParts {
  readonly name: string;
  readonly relay: Relay;
  /** Codes that it was started with. */
  readonly invites: ReadonlyMap<string, number | null>;
  readonly store: RelayStore;
  readonly log: Log;
  readonly drain: (withinMs: number) => Promise<void>;
  readonly backUp: BackUp;
}

/** Milliseconds for which a count of all users is good: some stores read all of them for it. */
const COUNT_MS = 10_000;

/** Asks again only after a while. */
function lately<T>(ask: () => Promise<T>, failed: (error: unknown) => T): () => Promise<T> {
  let last: Promise<T> | null = null;
  let askedAt = 0;
  return () => {
    const now = performance.now();
    if (last === null || now - askedAt >= COUNT_MS) {
      askedAt = now;
      last = ask().catch(failed);
    }
    return last;
  };
}

/**
 * Lets the operator's commands reach the relay: of several workers the first. One that they cannot reach
 * serves its clients all the same.
 */
export async function operate(
  { data, worker }: { readonly data: string; readonly worker?: { index: number } | null },
  { name, relay, invites, store, log, drain, backUp }: OperatedParts,
): Promise<AdminServer> {
  const nobody: AdminServer = { refuse() {}, close: async () => {} };
  if (worker && worker.index > 0) return nobody;
  const countUsers = lately<number | null>(
    () => store.directory.userCount(),
    (error) => {
      log.warn("users.not-counted", { error });
      return null;
    },
  );
  const handlers: AdminHandlers = {
    status: async () => ({
      relay: name,
      ready: relay.ready,
      users: await countUsers(),
      nodes: relay.nodes,
    }),
    ...userHandlers(relay, store.directory),
    ...inviteHandlers(store.directory.codes, invites),
    async drain({ withinMs }) {
      const drained = relay.nodes.filter(({ here }) => here || worker);
      await drain(withinMs);
      return {
        connections: drained.reduce((sum, each) => sum + (each.summary?.connections ?? 0), 0),
      };
    },
  };
  try {
    return await startAdminServer(data, handlers, log, backUp);
  } catch (error) {
    log.warn("admin.not-reachable", { error });
    return nobody;
  }
}
