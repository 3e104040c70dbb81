import type { AdminResult } from "../../../relay/admin/contract.js";

/** What a relay may say of itself. */
export const status: AdminResult<"status"> = { relay: "relay-test", ready: true };
