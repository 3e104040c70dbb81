import type { Log } from "../../shared/runtime.js";
import type { DirectTransport } from "../client/ports.js";
import type { Protector } from "./device-keys.js";

export interface ProfileOptions {
  /** The profile folder. */
  readonly profile: string;
  readonly relayUrl: string;
  readonly deviceName: string;
  readonly direct: DirectTransport;
  readonly protector: Protector;
  readonly log: Log;
}
