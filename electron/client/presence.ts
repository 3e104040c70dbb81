/** Who is online, as the relay and the direct channels know. */
import type { PresenceState } from "../../shared/client-api.js";
import { DovetailError } from "../../shared/errors.js";
import type { DeviceId, UserId } from "../../shared/ids.js";
import type { Presence as Told } from "../../shared/protocol.js";
import type { Core } from "./core.js";
import type { DirectLinks } from "./direct-links.js";
import type { RelayLink } from "./relay-link.js";

/** The people one talks to: asked about once at the start, then told of. */
const MAX_FOLLOWED = 30;

export class PresenceBook {
  readonly #core: Core;
  readonly #relay: RelayLink;
  readonly #links: DirectLinks;
  readonly #arrived: (user: UserId) => void;
  readonly #told = new Map<UserId, Told>();
  #followed = "";

  constructor(core: Core, relay: RelayLink, links: DirectLinks, arrived: (user: UserId) => void) {
    this.#core = core;
    this.#relay = relay;
    this.#links = links;
    this.#arrived = arrived;
  }

  /** Devices that the relay sees connected; null while it has not told. */
  devices(user: UserId): readonly DeviceId[] | null {
    if (!this.#relay.connected) return null;
    return this.#told.get(user)?.devices ?? null;
  }

  stateOf(user: UserId): PresenceState {
    const told = this.#told.get(user);
    const direct = this.#links.open(user).length > 0;
    const online = direct || (this.devices(user)?.length ?? 0) > 0;
    return {
      userId: user,
      handle: this.#core.state.people.get(user)?.handle ?? "unknown",
      online,
      lastSeen: online ? null : told?.lastSeen || null,
      direct,
    };
  }

  /** Follows the people of the most recent conversations, if they are not followed already. */
  async follow(): Promise<void> {
    const { state } = this.#core;
    const recent = state.byActivity().flatMap(({ row }) => state.others(row));
    const userIds = [...new Set(recent)].slice(0, MAX_FOLLOWED);
    const wanted = [...userIds].sort().join();
    if (wanted === this.#followed || !this.#relay.connected) return;
    this.#followed = wanted;
    try {
      const { states } = await this.#relay.request("watchPresence", { userIds });
      for (const told of states) this.hear(told);
    } catch (error) {
      this.#followed = "";
      this.#core.ports.log.warn("presence is unknown", { code: DovetailError.from(error).code });
    }
  }

  /** @throws DovetailError of the request. */
  async ask(users: readonly UserId[]): Promise<void> {
    const { states } = await this.#relay.request("getPresence", { userIds: users });
    for (const told of states) this.hear(told);
  }

  hear(told: Told): void {
    const before = this.devices(told.userId) ?? [];
    this.#told.set(told.userId, told);
    for (const device of told.devices) {
      if (!before.includes(device)) this.#links.forgive(device);
    }
    this.announce(told.userId);
    if (told.devices.length > 0) this.#arrived(told.userId);
  }

  announce(user: UserId): void {
    this.#core.events.emit("presence.changed", this.stateOf(user));
  }

  /** Without the relay nothing is known but the direct channels. */
  lost(): void {
    this.#followed = "";
    for (const user of this.#told.keys()) this.announce(user);
    const now = this.#core.ports.clock.now();
    for (const [user, told] of this.#told) {
      const lastSeen = told.devices.length > 0 ? now : told.lastSeen;
      this.#told.set(user, { ...told, devices: [], lastSeen });
    }
  }

  /** After a new connection, until the relay has told. */
  forget(): void {
    this.#told.clear();
  }
}
