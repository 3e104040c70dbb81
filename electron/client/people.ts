import type { UserSummary } from "../../shared/client-api.js";
import type { UserId } from "../../shared/ids.js";
import type { ClientState } from "./state.js";

export function personOf(state: ClientState, userId: UserId): UserSummary {
  if (userId === state.account?.userId) {
    const { handle, displayName } = state.account;
    return { userId, handle, displayName };
  }
  const known = state.people.get(userId);
  return { userId, handle: known?.handle ?? "unknown", displayName: known?.displayName ?? "" };
}
