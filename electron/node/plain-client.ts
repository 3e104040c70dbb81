import type { Log } from "../../shared/runtime.js";
import type { Client } from "../client/index.js";
import { nodeTransport } from "../direct/node-transport.js";
import { fileModeProtector } from "./device-keys.js";
import type { HostOptions } from "./options.js";
import { openProfileClient } from "./profile.js";

/**
 * The client core of a host without Electron: WebRTC in this process, the key kept by its file's mode.
 * @throws DovetailError as `openProfileClient` does.
 */
export const openPlainClient = (options: HostOptions, log: Log): Promise<Client> =>
  openProfileClient({
    profile: options.profile,
    relayUrl: options.relay,
    deviceName: options.deviceName,
    direct: nodeTransport(log),
    protector: fileModeProtector,
    log,
  });
