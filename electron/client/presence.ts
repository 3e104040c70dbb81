/** Who is online, as the relay and the direct channels know. */
import type { PresenceState } from "../../shared/client-api.js";
import { DovetailError } from "../../shared/errors.js";
import type { DeviceId, UserId } from "../../shared/ids.js";
import { MESH_MEMBERS } from "../../shared/limits.js";
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
  readonly #changed: (user: UserId) => void;
  readonly #told = new Map<UserId, Told>();
  /** Whose conversations were opened, the latest last: followed before the merely recent. */
  readonly #opened = new Set<UserId>();
  #followed = "";
  #answered = false;

  constructor(core: Core, relay: RelayLink, links: DirectLinks, changed: (user: UserId) => void) {
    this.#core = core;
    this.#relay = relay;
    this.#links = links;
    this.#changed = changed;
  }

  /** Devices that the relay sees connected, but for this one; null while that is not known yet. */
  devices(user: UserId): readonly DeviceId[] | null {
    if (!this.#relay.connected) return null;
    const devices = this.#told.get(user)?.devices ?? (this.#answered ? [] : null);
    return devices?.filter((device) => device !== this.#core.state.self.deviceId) ?? null;
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

  /** Follows these before others. */
  async followFirst(users: readonly UserId[]): Promise<void> {
    for (const user of users.slice(0, MAX_FOLLOWED)) {
      this.#opened.delete(user);
      this.#opened.add(user);
    }
    await this.follow();
  }

  /** Follows the people of the latest conversations, if they are not followed already. */
  async follow(): Promise<void> {
    const { state } = this.#core;
    const opened = [...this.#opened].slice(-MAX_FOLLOWED).reverse();
    const recent = state
      .byActivity()
      .filter(({ row }) => row.members.length <= MESH_MEMBERS)
      .flatMap(({ row }) => state.others(row));
    // Oneself too: other devices of one's own are served like anybody's.
    const userIds = [...new Set([state.self.userId, ...opened, ...recent])].slice(
      0,
      MAX_FOLLOWED + 1,
    );
    const wanted = [...userIds].sort().join();
    if (wanted === this.#followed || !this.#relay.connected) return;
    this.#followed = wanted;
    try {
      const { states } = await this.#relay.request("watchPresence", { userIds });
      this.#answered = true;
      // What was told of those who are not followed any more grows old.
      for (const user of this.#told.keys()) if (!userIds.includes(user)) this.#told.delete(user);
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
    this.#changed(told.userId);
  }

  announce(user: UserId): void {
    if (user === this.#core.state.self.userId) return;
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
    this.#answered = false;
    this.#told.clear();
  }
}
