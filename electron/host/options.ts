import { parseArgs } from "node:util";

export interface HostOptions {
  /** The profile folder; null for the usual place. */
  readonly profile: string | null;
  /** ws: or wss: URL; null for the one that this profile used last. */
  readonly relay: string | null;
}

/**
 * Flags win over the environment. Chromium's own switches stand among the arguments, so unknown
 * ones are passed over. @throws RangeError when the relay's address is not one.
 */
export function readOptions(args: readonly string[], env: NodeJS.ProcessEnv): HostOptions {
  const { values } = parseArgs({
    args: [...args],
    options: { profile: { type: "string" }, relay: { type: "string" } },
    strict: false,
  });
  // Without a value a flag is `true` in this mode.
  const text = (value: unknown) => (typeof value === "string" && value !== "" ? value : null);
  const profile = text(values.profile) ?? text(env.DOVETAIL_PROFILE);
  const relay = text(values.relay) ?? text(env.DOVETAIL_RELAY);
  if (relay !== null && !isRelayUrl(relay)) {
    throw new RangeError(`A relay's address starts with ws:// or wss://, unlike ${relay}.`);
  }
  return { profile, relay };
}

export const isRelayUrl = (text: string): boolean =>
  URL.canParse(text) && ["ws:", "wss:"].includes(new URL(text).protocol);
