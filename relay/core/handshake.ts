import { DovetailError, type ErrorCode } from "../../shared/errors.js";
import {
  type DeviceId,
  deviceIdOf,
  HANDLE_PATTERN,
  ID_BYTES,
  idFromBytes,
  type UserId,
} from "../../shared/ids.js";
import {
  authenticationBytes,
  type ClientFrame,
  linkBytes,
  NONCE_BYTES,
  type Person,
  PROTOCOL_VERSION,
  type RelayFrame,
  registrationBytes,
} from "../../shared/protocol.js";
import type { RelayConfig } from "./config.js";
import type { People } from "./people.js";
import type { ConnectionLimits, NewAccount, RelayPorts } from "./ports.js";
import type { WriteHealth } from "./write-health.js";

export interface Proven {
  readonly person: Person;
  readonly deviceId: DeviceId;
}

type Frame<T extends ClientFrame["type"]> = Extract<ClientFrame, { type: T }>;

/**
 * After these the client may `register` again on the same connection and with the same nonce: the
 * person at it chooses another handle or types another code.
 */
export const mayRegisterAgain: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "handle_taken",
  "handle_invalid",
  "invite_required",
  "invite_invalid",
  "rate_limited",
  "storage_failed",
]);

/** Finds out which device is at the other end of one connection. */
export class Handshake {
  readonly #ports: RelayPorts;
  readonly #config: RelayConfig;
  readonly #people: People;
  readonly #health: WriteHealth;
  readonly #limits: ConnectionLimits;
  /** Made for this connection alone, so that a signature heard elsewhere fits nowhere. */
  #nonce: Uint8Array | null = null;

  constructor(
    ports: RelayPorts,
    config: RelayConfig,
    people: People,
    health: WriteHealth,
    limits: ConnectionLimits,
  ) {
    this.#ports = ports;
    this.#config = config;
    this.#people = people;
    this.#health = health;
    this.#limits = limits;
  }

  hello({ version }: Frame<"hello">): RelayFrame {
    if (this.#nonce) throw new DovetailError("unexpected_frame", "There was a hello already.");
    if (version !== PROTOCOL_VERSION) {
      throw new DovetailError(
        "unsupported_version",
        `This relay speaks version ${PROTOCOL_VERSION} and not ${version}.`,
      );
    }
    this.#nonce = this.#ports.random.bytes(NONCE_BYTES);
    return {
      type: "challenge",
      version: PROTOCOL_VERSION,
      relay: this.#config.name,
      nonce: this.#nonce,
    };
  }

  async authenticate({ deviceId, signature }: Frame<"authenticate">): Promise<Proven> {
    const nonce = this.#challenged();
    const device = await this.#people.currentDevice(deviceId);
    if (!device) throw new DovetailError("unknown_device");
    if (device.removed) throw new DovetailError("device_removed");
    const signed = authenticationBytes(this.#config.name, nonce, deviceId);
    if (!this.#ports.crypto.verify(device.publicKey, signed, signature)) {
      throw new DovetailError("bad_signature");
    }
    const person = await this.#people.user(device.userId);
    if (!person) throw new DovetailError("unknown_device");
    return { person, deviceId };
  }

  async register(frame: Frame<"register">): Promise<Proven> {
    const nonce = this.#challenged();
    const retryAfterMs = this.#limits.registration();
    if (retryAfterMs > 0) throw new DovetailError("rate_limited", undefined, { retryAfterMs });
    const { handle, displayName, deviceName, publicKey, signature } = frame;
    const signed = registrationBytes(this.#config.name, nonce, frame);
    if (!this.#ports.crypto.verify(publicKey, signed, signature)) {
      throw new DovetailError("bad_signature");
    }
    if (!HANDLE_PATTERN.test(handle)) throw new DovetailError("handle_invalid");
    const { sha256 } = this.#ports.crypto;
    const deviceId = deviceIdOf(publicKey, sha256);
    const userId = idFromBytes<UserId>(this.#ports.random.bytes(ID_BYTES));
    const account: NewAccount = {
      user: { userId, handle, displayName },
      device: {
        deviceId,
        userId,
        name: deviceName,
        publicKey,
        addedAt: this.#ports.clock.now(),
        removed: false,
        addedBy: null,
      },
      invite: await this.#invite(frame.invite),
    };
    const { directory } = this.#ports.store;
    const person = await this.#health.write(() => directory.register(account));
    if (typeof person === "string") throw new DovetailError(person);
    return { person, deviceId };
  }

  /**
   * What the new device says is its own; whether it is let in is for a device of the account to say.
   * @throws DovetailError `bad_signature`, `rate_limited`.
   */
  checkLink(frame: Frame<"link">): void {
    const nonce = this.#challenged();
    const retryAfterMs = this.#limits.registration();
    if (retryAfterMs > 0) throw new DovetailError("rate_limited", undefined, { retryAfterMs });
    const signed = linkBytes(this.#config.name, nonce, frame);
    if (!this.#ports.crypto.verify(frame.publicKey, signed, frame.signature)) {
      throw new DovetailError("bad_signature");
    }
  }

  async #invite(code: string | null): Promise<NewAccount["invite"]> {
    const { invites } = this.#config;
    const { codes } = this.#ports.store.directory;
    if (code !== null) {
      const uses = invites.get(code);
      if (uses !== undefined) return { code, uses };
      const stored = await codes.find(code);
      if (stored && !stored.revoked) return { code, uses: stored.uses };
    }
    if (invites.size === 0 && !(await codes.needed())) return null;
    throw new DovetailError(code === null ? "invite_required" : "invite_invalid");
  }

  #challenged(): Uint8Array {
    if (!this.#nonce) throw new DovetailError("not_authenticated", "A hello must come first.");
    return this.#nonce;
  }
}
