/**
 * Credentials for a TURN server that shares a secret with the relay: coturn's `use-auth-secret`, after
 * draft-uberti-behave-turn-rest-00. The server keeps no list of users, and what leaks is worthless soon.
 */
import { createHmac } from "node:crypto";
import type { UserId } from "../../shared/ids.js";
import type { IceServer } from "../../shared/protocol.js";

/** Seconds. A client gets new ones with every connection to the relay, and each time `SERVERS_MS` is over. */
const LIFETIME = 2 * 86_400;

export interface TurnOptions {
  readonly urls: readonly string[];
  readonly secret: string;
}

/** `now` in milliseconds, by a clock that agrees with the TURN server's. */
export function turnServer({ urls, secret }: TurnOptions, user: UserId, now: number): IceServer {
  const username = `${Math.floor(now / 1_000) + LIFETIME}:${user}`;
  const credential = createHmac("sha1", secret).update(username).digest("base64");
  return { urls: [...urls], username, credential };
}
