import type { Device } from "../../../shared/client-api.js";
import type { DeviceId } from "../../../shared/ids.js";
import type { Host } from "../host-contract.js";

/** The account's devices, this one first, then in the order in which they were added. */
export class Devices {
  readonly #host: Host;
  #known = $state.raw<readonly Device[]>([]);
  readonly sorted = $derived(
    this.#known.toSorted((a, b) => Number(b.current) - Number(a.current) || a.addedAt - b.addedAt),
  );

  constructor(host: Host) {
    this.#host = host;
  }

  async load(): Promise<void> {
    this.changed(await this.#host.call("devices.list", {}));
  }

  changed(devices: readonly Device[]): void {
    this.#known = devices;
  }

  /** The list follows by the event that this brings about. */
  async remove(deviceId: DeviceId): Promise<void> {
    await this.#host.call("devices.remove", { deviceId });
  }
}
