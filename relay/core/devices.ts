/** The devices of an account: how one is added and taken out. */
import { DovetailError } from "../../shared/errors.js";
import { type DeviceId, deviceIdOf } from "../../shared/ids.js";
import { deviceBytes, type RelayFrame } from "../../shared/protocol.js";
import type { Clock, Crypto } from "../../shared/runtime.js";
import type { Connections, Peer } from "./connections.js";
import type { PairingBoard } from "./pairing.js";
import type { People } from "./people.js";
import type { Device, Directory } from "./ports.js";
import type { PresenceBoard } from "./presence.js";
import type { WriteHealth } from "./write-health.js";

export interface DevicesContext {
  readonly directory: Directory;
  readonly people: People;
  readonly connections: Connections;
  readonly pairings: PairingBoard;
  readonly health: WriteHealth;
  readonly clock: Clock;
  readonly crypto: Crypto;
  readonly presence: PresenceBoard;
}

type DeviceList = Extract<RelayFrame, { type: "devices" }>["devices"];

export async function devicesOf(context: DevicesContext, peer: Peer): Promise<DeviceList> {
  const connected = new Set(context.connections.devicesOf(peer.userId));
  const devices = await context.directory.devices(peer.userId);
  return Promise.all(
    devices.map(async ({ deviceId, name, addedAt }) => ({
      deviceId,
      name,
      addedAt,
      connected: connected.has(deviceId),
      lastSeen: connected.has(deviceId) ? 0 : await context.directory.lastSeen(deviceId),
    })),
  );
}

/**
 * Adds the device that asked at the peer's place, on the peer's signature.
 * @throws DovetailError `not_found`, `bad_signature`, `device_removed`, `too_many_devices`.
 */
export async function addDevice(
  context: DevicesContext,
  peer: Peer,
  publicKey: Uint8Array,
  signature: Uint8Array,
): Promise<void> {
  const applicant = context.pairings.take(peer, publicKey);
  if (!applicant) throw new DovetailError("not_found", "No such device asks to be added.");
  try {
    const added = await vouchedFor(context, peer, applicant.deviceName, publicKey, signature);
    applicant.added(added);
  } catch (error) {
    applicant.refused(DovetailError.from(error));
    throw error;
  }
  tellDevices(context.connections, peer);
}

async function vouchedFor(
  { people, crypto, clock, directory, health }: DevicesContext,
  { userId, deviceId }: Peer,
  name: string,
  publicKey: Uint8Array,
  signature: Uint8Array,
): Promise<Device> {
  const voucher = await people.device(deviceId);
  const signed = deviceBytes(userId, publicKey, name);
  if (!voucher || !crypto.verify(voucher.publicKey, signed, signature)) {
    throw new DovetailError("bad_signature");
  }
  const added = await health.write(() =>
    directory.addDevice({
      deviceId: deviceIdOf(publicKey, crypto.sha256),
      userId,
      name,
      publicKey,
      addedAt: clock.now(),
      removed: false,
      addedBy: { deviceId, signature },
    }),
  );
  if (added === "too_many_devices") throw new DovetailError(added);
  if (added.removed) throw new DovetailError("device_removed");
  if (added.userId !== userId) throw new DovetailError("not_found", "It is another account's.");
  return added;
}

/** @throws DovetailError `not_found`. */
export async function removeDevice(
  context: DevicesContext,
  peer: Peer,
  deviceId: DeviceId,
): Promise<void> {
  const { directory, people, connections, health, presence } = context;
  if (!(await health.write(() => directory.removeDevice(peer.userId, deviceId)))) {
    const device = await people.currentDevice(deviceId);
    // Asked again, because the answer did not come: what nodes were told may not have come either.
    if (device?.removed && device.userId === peer.userId) await people.removed(deviceId);
    throw new DovetailError("not_found", "The account has no such device.");
  }
  connections.get(peer.userId, deviceId)?.removed();
  await people.removed(deviceId);
  presence.deviceRemoved(peer.userId, deviceId);
  tellDevices(connections, peer);
}

/** The account's other devices learn that the list is another one. */
export const tellDevices = (connections: Connections, peer: Peer): void =>
  connections.push([peer.userId], { type: "devicesChanged" }, peer);
