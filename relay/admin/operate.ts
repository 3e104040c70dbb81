import type { Log } from "../../shared/runtime.js";
import type { RelayStore } from "../core/ports.js";
import type { Relay } from "../core/relay.js";
import type { AdminHandlers } from "./contract.js";
import { type AdminServer, type BackUp, startAdminServer } from "./server.js";
import { userHandlers } from "./users.js";

interface OperatedParts {
  readonly name: string;
  readonly relay: Relay;
  readonly store: RelayStore;
  readonly log: Log;
  readonly drain: (withinMs: number) => Promise<void>;
  readonly backUp: BackUp;
}

/**
 * Lets the operator's commands reach the relay: of several workers the first. One that they cannot reach
 * serves its clients all the same.
 */
export async function operate(
  { data, worker }: { readonly data: string; readonly worker?: { index: number } | null },
  { name, relay, store, log, drain, backUp }: OperatedParts,
): Promise<AdminServer> {
  const nobody: AdminServer = { refuse() {}, close: async () => {} };
  if (worker && worker.index > 0) return nobody;
  const handlers: AdminHandlers = {
    status: async () => ({
      relay: name,
      ready: relay.ready,
      users: await store.directory.userCount(),
      nodes: relay.nodes,
    }),
    ...userHandlers(relay, store.directory),
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
