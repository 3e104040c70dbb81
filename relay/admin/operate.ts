import type { Log } from "../../shared/runtime.js";
import type { RelayStore } from "../core/ports.js";
import type { Relay } from "../core/relay.js";
import type { AdminHandlers } from "./contract.js";
import { startAdminServer } from "./server.js";

interface OperatedParts {
  readonly name: string;
  readonly relay: Relay;
  readonly store: RelayStore;
  readonly log: Log;
}

/** Lets the operator's commands reach the relay. One that they cannot reach serves its clients all the same. */
export async function operate(
  data: string,
  { name, relay, store, log }: OperatedParts,
): Promise<{ close(): Promise<void> }> {
  const handlers: AdminHandlers = {
    status: async () => ({
      relay: name,
      ready: relay.ready,
      users: await store.directory.userCount(),
      nodes: relay.nodes,
    }),
  };
  try {
    return await startAdminServer(data, handlers, log);
  } catch (error) {
    log.warn("admin.not-reachable", { error });
    return { close: async () => {} };
  }
}
