/**
 * A device whose history is damaged, for the last time: it brings what it had not sent yet and lets
 * in the device that takes its place. It writes nothing new, because it cannot know which numbers
 * of its own the others have seen.
 */
import { sameBytes } from "../../shared/bytes.js";
import { DovetailError, type ErrorCode } from "../../shared/errors.js";
import { type ConversationId, type DeviceId, deviceIdOf, type UserId } from "../../shared/ids.js";
import {
  PAIRING_CODE_LENGTH,
  pairingCodeFrom,
  pairingPlace,
  pairingProof,
} from "../../shared/pairing.js";
import { deviceBytes, type HandedIn } from "../../shared/protocol.js";
import type { ClientOptions, DeviceKey } from "./ports.js";
import { type LinkPorts, type Push, RelayLink } from "./relay-link.js";
import { Waiting } from "./waiting.js";

/** Refusals that would be the same at the next try. */
const FINAL: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "malformed_frame",
  "not_a_member",
  "not_found",
  "origin_conflict",
  "out_of_order",
  "payload_too_large",
]);

export interface Unsent extends Omit<HandedIn, "signature" | "deviceId"> {
  readonly conversationId: ConversationId;
}

export class FormerDevice {
  readonly deviceId: DeviceId;
  readonly #ports: LinkPorts;
  readonly #key: DeviceKey;
  readonly #relay: RelayLink;
  readonly #waiting: Waiting;
  #userId: UserId | null = null;
  #code: string | null = null;

  constructor(ports: LinkPorts, options: ClientOptions, key: DeviceKey) {
    this.deviceId = deviceIdOf(key.publicKey, ports.crypto.sha256);
    this.#ports = ports;
    this.#key = key;
    this.#waiting = new Waiting(ports.clock);
    this.#relay = new RelayLink(ports, options, {
      connected: ({ userId }) => {
        this.#userId = userId;
      },
      disconnected() {},
      push: (frame) => {
        if (frame.type === "linking") void this.#linking(frame);
      },
      changed: () => this.#waiting.changed(),
    });
  }

  /** @throws DovetailError what the relay refuses with; `relay_unreachable`. */
  async connect(): Promise<void> {
    this.#relay.start({ key: this.#key, relay: null, entrance: null });
    await this.#waiting.until(() => {
      if (this.#relay.error) throw this.#relay.error;
      return this.#relay.connected;
    });
  }

  /**
   * Hands an entry in; true where the log has it, also from before.
   * @throws DovetailError where it may be tried again.
   */
  async bring({ conversationId, n, ttl, payload }: Unsent): Promise<boolean> {
    const entries = [{ deviceId: this.deviceId, n, ttl, signature: null, payload }];
    try {
      await this.#relay.request("append", { conversationId, entries, heldBy: [] });
      return true;
    } catch (thrown) {
      const { code } = DovetailError.from(thrown);
      if (!FINAL.has(code)) throw thrown;
      this.#ports.log.warn("an unsent entry is lost", { conversationId, n, code });
      return false;
    }
  }

  /** A code with which one device is let in. */
  async pair(): Promise<string> {
    const { random, crypto } = this.#ports;
    const code = pairingCodeFrom(random.bytes(PAIRING_CODE_LENGTH));
    this.#code = code;
    await this.#relay.request("openPairing", { place: pairingPlace(code, crypto.sha256) });
    return code;
  }

  close(): void {
    this.#relay.close();
  }

  async #linking(asked: Extract<Push, { type: "linking" }>): Promise<void> {
    const { publicKey, deviceName, proof } = asked;
    const { crypto, log } = this.#ports;
    if (!this.#code || !this.#userId) return;
    if (!sameBytes(pairingProof(this.#code, publicKey, deviceName, crypto.sha256), proof)) return;
    this.#code = null;
    const signature = this.#key.sign(deviceBytes(this.#userId, publicKey, deviceName));
    await this.#relay.request("addDevice", { publicKey, signature }).catch((error: unknown) => {
      log.warn("the new device was not linked", { code: DovetailError.from(error).code });
    });
  }
}
