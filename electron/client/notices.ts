/** The lines between the messages: what happened in a conversation. */
import type { Notice } from "../../shared/client-api.js";
import type { UserId } from "../../shared/ids.js";
import type { Body } from "./content.js";
import type { Found } from "./found.js";
import { personOf } from "./people.js";
import type { ClientState } from "./state.js";

/** Null for what somebody wrote. */
export function noticeOf(
  state: ClientState,
  author: UserId,
  body: Body,
  found: Found,
): Notice | null {
  if (body.type === "timer") return { type: "timer", seconds: body.seconds };
  if (body.type === "profile") {
    if (body.changed === "name") return { type: "renamed", name: body.profile.name };
    return { type: body.changed === "description" ? "described" : "pictured" };
  }
  const membership = found.kind === "log" ? found.row.membership : null;
  if (!membership) return null;
  const { epoch, adds, removes, promotes, demotes, restricted } = membership;
  const people = (users: readonly UserId[]) => users.map((user) => personOf(state, user));
  if (epoch === 1) return { type: "created" };
  if (adds.length > 0) {
    const joined = adds.every(({ userId }) => userId === author);
    return joined ? { type: "joined" } : { type: "added", people: adds };
  }
  if (removes.length > 0) {
    const left = removes.every((user) => user === author);
    return left ? { type: "left" } : { type: "removed", people: people(removes) };
  }
  if (promotes.length > 0) return { type: "promoted", people: people(promotes) };
  if (demotes.length > 0) return { type: "demoted", people: people(demotes) };
  return { type: "restricted", restricted: restricted ?? false };
}
