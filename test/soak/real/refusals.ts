/** With what a call may be refused while everything fails and others do something else at once. */
import type { Method } from "../../../shared/client-api.js";

/** While the relay, a disk or a process is gone. */
const BY_FAULTS = [
  "disk_full",
  "storage_failed",
  "relay_unreachable",
  "timeout",
  "rate_limited",
  "overloaded",
  "shutting_down",
];
/** What it is about was deleted meanwhile, or who asks may not. */
const ABOUT_MESSAGES = ["not_found", "not_allowed", "not_a_member"];
const ABOUT_GROUPS = [
  ...["not_found", "not_allowed", "not_a_member", "link_invalid"],
  ...["too_many_invites", "stale_epoch"],
];

const OF: Partial<Record<Method, readonly string[]>> = {
  "messages.send": ABOUT_MESSAGES,
  "messages.edit": ABOUT_MESSAGES,
  "messages.delete": ABOUT_MESSAGES,
  "messages.react": ABOUT_MESSAGES,
  "messages.star": ABOUT_MESSAGES,
  "messages.pin": ABOUT_MESSAGES,
  "messages.get": ["not_found"],
  "conversations.markRead": ["not_found"],
  "messages.list": ["not_found"],
  "conversations.setDraft": ["not_found"],
  "typing.set": ["not_found", "not_a_member"],
  "devices.pair": ["not_online"],
  "account.link": ["pairing_unknown", "already_registered", "not_online"],
  // An earlier removal came through whose answer did not.
  "devices.remove": ["not_found"],
  "conversations.setTimer": ABOUT_GROUPS,
  "groups.members": ABOUT_GROUPS,
  "groups.update": ABOUT_GROUPS,
  "groups.add": ABOUT_GROUPS,
  "groups.remove": ABOUT_GROUPS,
  "groups.setAdmin": ABOUT_GROUPS,
  "groups.restrict": ABOUT_GROUPS,
  "groups.leave": ABOUT_GROUPS,
  "groups.createInvite": ABOUT_GROUPS,
  "groups.revokeInvite": ABOUT_GROUPS,
  "groups.join": ABOUT_GROUPS,
};

export const isExpected = (method: Method, code: string): boolean =>
  BY_FAULTS.includes(code) || (OF[method]?.includes(code) ?? false);
