import type { Pairing } from "../../../shared/client-api.js";
import type { DeviceId } from "../../../shared/ids.js";
import type { Host } from "../host-contract.js";
import { failureWords } from "../text/words.js";
import type { Devices } from "./devices.svelte.js";

/** A code being shown here, until a new device has used it or the person closes it. */
export class Linking {
  readonly #host: Host;
  readonly #devices: Devices;
  #before: ReadonlySet<DeviceId> | null = null;
  #closed = false;
  pairing = $state.raw<Pairing | null>(null);
  failure = $state<string | null>(null);
  /** The device that was not there when the first code was asked for. */
  readonly linked = $derived.by(() => {
    const { sorted } = this.#devices;
    if (this.pairing === null) return null;
    return sorted.find(({ deviceId }) => this.#before?.has(deviceId) === false) ?? null;
  });

  constructor(host: Host, devices: Devices) {
    this.#host = host;
    this.#devices = devices;
  }

  /** Asks for a code; an earlier one is replaced. */
  async begin(): Promise<void> {
    this.failure = null;
    try {
      if (this.#before === null) {
        await this.#devices.load();
        this.#before = new Set(this.#devices.sorted.map(({ deviceId }) => deviceId));
      }
      if (this.#closed) return;
      this.pairing = await this.#host.call("devices.pair", {});
    } catch (thrown) {
      this.failure = failureWords(thrown);
    }
    // Closed before the code came: nobody may use what nobody sees.
    if (this.#closed) this.#cancel();
  }

  close(): void {
    this.#closed = true;
    this.#cancel();
  }

  #cancel(): void {
    if (this.pairing === null || this.linked !== null) return;
    // Best effort: a code that cannot be taken back ends by itself after minutes.
    this.#host.call("devices.cancelPairing", {}).catch(() => undefined);
  }
}
