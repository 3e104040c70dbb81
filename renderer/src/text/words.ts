/** What states and failures are called in front of a person. */
import type { ConnectionState, MessageState } from "../../../shared/client-api.js";
import { DovetailError } from "../../../shared/errors.js";

export const stateWords: Readonly<Record<MessageState, string>> = {
  queued: "Waiting to be sent",
  sent: "Sent",
  delivered: "Delivered",
  read: "Read",
};

export const directWords = "Sent directly, device to device";

export interface ConnectionWords {
  readonly kind: "connected" | "connecting" | "reconnecting" | "direct" | "offline" | "removed";
  readonly text: string;
  /** Whether asking for an attempt at once makes sense. */
  readonly retry: boolean;
}

/** Whether the account has let go of this device: no waiting helps. */
export const removedHere = ({ relay, error }: ConnectionState): boolean =>
  relay !== "connected" && error === "device_removed";

export function connectionWords(connection: ConnectionState, now: number): ConnectionWords {
  if (removedHere(connection)) {
    return { kind: "removed", text: "This device was removed", retry: false };
  }
  const open = connection.direct.filter((channel) => channel.state === "open").length;
  if (connection.relay === "connected") {
    const direct = open > 0 ? ` · ${open} direct` : "";
    return { kind: "connected", text: `Connected${direct}`, retry: false };
  }
  if (connection.relay === "offline") return { kind: "offline", text: "Offline", retry: false };
  const seconds =
    connection.retryAt === null ? 0 : Math.max(0, Math.ceil((connection.retryAt - now) / 1000));
  const waiting = connection.relay === "reconnecting" && seconds > 0;
  if (open > 0) {
    const relay = waiting ? `relay in ${seconds} s` : "trying the relay…";
    return { kind: "direct", text: `Direct only (${open}) · ${relay}`, retry: waiting };
  }
  if (waiting) return { kind: "reconnecting", text: `Reconnecting in ${seconds} s`, retry: true };
  return { kind: "connecting", text: "Connecting…", retry: false };
}

const sentences: Readonly<Partial<Record<DovetailError["code"], string>>> = {
  handle_taken: "Somebody else already has this handle. Try another one.",
  invite_required: "This relay asks for an invite code. Its operator can give you one.",
  invite_invalid: "This invite code is unknown or used up.",
  relay_unreachable: "The relay cannot be reached right now. Check your connection and try again.",
  pairing_unknown:
    "This code is wrong, used, or too old. Check it, or show a new one on your other device.",
  too_many_devices:
    "Your account has as many devices as it may have. Remove one on your other device first.",
  device_removed: "This device was removed from your account.",
  link_invalid: "This link does not work: it is wrong, was revoked, has expired or is used up.",
  group_full: "The group is full: it has as many members as it may have.",
  stale_epoch: "Others kept changing this group at the same moment. Try again.",
  not_allowed: "Only an admin of the group may do that.",
  not_a_member: "You are not in this group any more.",
  too_many_invites: "The group has as many links as it may have. Revoke one first.",
  payload_too_large: "This message is too long.",
  disk_full: "The disk is full. Make some room, then try again.",
  timeout: "No answer came in time. Try again.",
  closed: "Dovetail is closing.",
};

export function failureWords(thrown: unknown): string {
  const error = DovetailError.from(thrown);
  const sentence = sentences[error.code] ?? error.message;
  if (error.retryAfterMs === undefined) return sentence;
  return `${sentence} Try again in ${Math.max(1, Math.ceil(error.retryAfterMs / 1000))} s.`;
}
