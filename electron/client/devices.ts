/** The devices of the own account: the list, and how a new one is let in. */

import { sameBytes } from "../../shared/bytes.js";
import type { Device, Pairing } from "../../shared/client-api.js";
import { DovetailError } from "../../shared/errors.js";
import type { DeviceId } from "../../shared/ids.js";
import {
  PAIRING_CODE_LENGTH,
  pairingCodeFrom,
  pairingPlace,
  pairingProof,
} from "../../shared/pairing.js";
import { deviceBytes } from "../../shared/protocol.js";
import type { Core } from "./core.js";
import type { DeviceKey } from "./ports.js";
import type { Push, RelayLink } from "./relay-link.js";

/** As long as the relay keeps the place. */
const PAIRING_MS = 5 * 60_000;

export class Devices {
  readonly #core: Core;
  readonly #relay: RelayLink;
  readonly #key: DeviceKey;
  #pairing: Pairing | null = null;

  constructor(core: Core, relay: RelayLink, key: DeviceKey) {
    this.#core = core;
    this.#relay = relay;
    this.#key = key;
  }

  /** @throws DovetailError `relay_unreachable`. */
  async list(): Promise<readonly Device[]> {
    const { devices } = await this.#relay.request("getDevices", {});
    const self = this.#core.state.self.deviceId;
    return devices.map(({ deviceId, name, addedAt, lastSeen, connected }) => ({
      deviceId,
      name,
      current: deviceId === self,
      online: connected,
      lastSeen: connected || lastSeen === 0 ? null : lastSeen,
      addedAt,
    }));
  }

  /** A new code; one that was shown before is of no use any more. */
  async pair(): Promise<Pairing> {
    const { random, crypto, clock } = this.#core.ports;
    const code = pairingCodeFrom(random.bytes(PAIRING_CODE_LENGTH));
    const pairing = { code, expiresAt: clock.now() + PAIRING_MS };
    await this.#relay.request("openPairing", { place: pairingPlace(code, crypto.sha256) });
    this.#pairing = pairing;
    return pairing;
  }

  async cancel(): Promise<void> {
    if (!this.#pairing) return;
    this.#pairing = null;
    await this.#relay.request("closePairing", {});
  }

  /** @throws DovetailError `not_found`, `relay_unreachable`. */
  async remove(deviceId: DeviceId): Promise<void> {
    await this.#relay.request("removeDevice", { deviceId });
    await this.announce();
  }

  /** A device asks to be let in: who knows the code is. */
  async linking({
    publicKey,
    deviceName,
    proof,
  }: Extract<Push, { type: "linking" }>): Promise<void> {
    const { crypto, log } = this.#core.ports;
    const expected =
      this.#pairing && pairingProof(this.#pairing.code, publicKey, deviceName, crypto.sha256);
    if (!expected || !sameBytes(expected, proof)) {
      log.warn("a device asked to be linked without knowing the code");
      return;
    }
    this.#pairing = null;
    const signature = this.#key.sign(
      deviceBytes(this.#core.state.self.userId, publicKey, deviceName),
    );
    try {
      await this.#relay.request("addDevice", { publicKey, signature });
      await this.announce();
    } catch (error) {
      log.warn("a device was not linked", { code: DovetailError.from(error).code });
    }
  }

  /** Tells whoever shows the list that it is another one. Best effort: it can be asked for. */
  async announce(): Promise<void> {
    try {
      this.#core.events.emit("devices.changed", { devices: await this.list() });
    } catch (error) {
      this.#core.ports.log.debug("the devices are unknown", {
        code: DovetailError.from(error).code,
      });
    }
  }

  /** The relay has forgotten the place. */
  disconnected(): void {
    this.#pairing = null;
  }
}
