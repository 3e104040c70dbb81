/** All direct channels of this device: whom to connect to, and who begins. */
import { sameBytes } from "../../shared/bytes.js";
import { DovetailError } from "../../shared/errors.js";
import type { DeviceId, UserId } from "../../shared/ids.js";
import type { IceServer } from "../../shared/protocol.js";
import type { DirectFrame } from "./direct-frames.js";
import { DirectLink, type DirectPeer } from "./direct-link.js";
import type { ClientPorts, DeviceKey } from "./ports.js";
import { openSignal, SESSION_BYTES, type Signal, sealSignal } from "./signals.js";

/** Channels at once: each costs both sides some memory and a ping every two seconds. */
const MAX_LINKS = 64;
/** After a failure a device is left alone for this long, doubling up to the longest. */
const FIRST_PAUSE_MS = 5_000;
const LONGEST_PAUSE_MS = 5 * 60_000;

export interface DirectLinksEvents {
  /** @throws where the relay does not carry it. */
  sendSignal(to: DeviceId, payload: Uint8Array): Promise<void>;
  opened(link: DirectLink): void;
  frame(link: DirectLink, frame: DirectFrame): void;
  closed(link: DirectLink): void;
  changed(): void;
}

interface Pause {
  readonly failures: number;
  readonly until: number;
}

export class DirectLinks {
  readonly #ports: ClientPorts;
  readonly #key: DeviceKey;
  readonly #self: DeviceId;
  readonly #events: DirectLinksEvents;
  readonly #links = new Map<DeviceId, DirectLink>();
  readonly #pauses = new Map<DeviceId, Pause>();
  #iceServers: readonly IceServer[] = [];
  #enabled: boolean;
  /** Taken out of their accounts. */
  readonly #refused = new Set<DeviceId>();
  readonly #welcome: (user: UserId) => boolean;

  constructor(
    ports: ClientPorts,
    options: {
      readonly key: DeviceKey;
      readonly self: DeviceId;
      readonly enabled: boolean;
      /** Whether that user's devices may have channels here. */
      readonly welcome: (user: UserId) => boolean;
    },
    events: DirectLinksEvents,
  ) {
    this.#ports = ports;
    this.#key = options.key;
    this.#self = options.self;
    this.#enabled = options.enabled;
    this.#welcome = options.welcome;
    this.#events = events;
  }

  get enabled(): boolean {
    return this.#enabled && this.#ports.direct.available;
  }

  /** Those being opened, and those open. */
  get all(): readonly DirectLink[] {
    return [...this.#links.values()];
  }

  to(device: DeviceId): DirectLink | undefined {
    return this.#links.get(device);
  }

  open(user: UserId): readonly DirectLink[] {
    return this.all.filter((link) => link.state === "open" && link.peer.userId === user);
  }

  useIceServers(servers: readonly IceServer[]): void {
    this.#iceServers = servers;
  }

  setEnabled(enabled: boolean): void {
    this.#enabled = enabled;
    this.#pauses.clear();
    if (!enabled) for (const link of this.all) link.close("unwanted");
  }

  /** Begins to connect unless there is a channel, or a recent failure says that it is of no use. */
  want(peer: DirectPeer): void {
    if (!this.enabled || this.#links.has(peer.deviceId) || this.#links.size >= MAX_LINKS) return;
    if (this.#refused.has(peer.deviceId)) return;
    const pause = this.#pauses.get(peer.deviceId);
    if (pause && this.#ports.clock.monotonic() < pause.until) return;
    this.#start(peer, this.#ports.random.bytes(SESSION_BYTES), true);
  }

  /** A device came (back): what failed before may work now. */
  forgive(device: DeviceId): void {
    this.#pauses.delete(device);
  }

  /** A signal that the relay carried here. Those that are not genuine are dropped. */
  receive(from: DirectPeer, payload: Uint8Array): void {
    let opened: ReturnType<typeof openSignal>;
    try {
      opened = openSignal(this.#ports.crypto, from.deviceId, this.#self, payload);
    } catch (error) {
      this.#ports.log.warn("a signal was refused", { code: DovetailError.from(error).code });
      return;
    }
    const { signal, publicKey } = opened;
    const link = this.#linkFor(from, signal);
    if (!link) return;
    link.publicKey ??= publicKey;
    link.signal(signal);
  }

  /** From now on, for as long as this process lives: the relay lets it in nowhere either. */
  refuse(device: DeviceId): void {
    this.#refused.add(device);
    this.#links.get(device)?.close("unwanted");
  }

  /** To one user: they are not wanted any more. */
  closeAll(user: UserId): void {
    for (const link of this.all) if (link.peer.userId === user) link.close("unwanted");
  }

  close(): void {
    for (const link of this.all) link.close("closing");
  }

  #linkFor(from: DirectPeer, signal: Signal): DirectLink | null {
    const known = this.#links.get(from.deviceId);
    if (known && sameBytes(known.session, signal.session)) return known;
    if (signal.kind !== "offer" || signal.index !== 0) return null;
    const room = known !== undefined || this.#links.size < MAX_LINKS;
    const welcome = this.#welcome(from.userId) && !this.#refused.has(from.deviceId);
    if (!this.enabled || !room || !welcome) {
      this.#send(from.deviceId, { ...signal, kind: "refuse", data: new Uint8Array() });
      return null;
    }
    if (known) {
      // Glare: both began at once. The smaller id's attempt is kept, on both sides.
      const glare = known.initiator && known.state === "connecting";
      if (glare && this.#self < from.deviceId) return null;
      // Otherwise the other side has given up or lost the old channel, whatever this side believes.
      this.#links.delete(from.deviceId);
      known.close("closing");
    }
    return this.#start(from, signal.session, false);
  }

  #start(peer: DirectPeer, session: Uint8Array, initiator: boolean): DirectLink {
    const link: DirectLink = new DirectLink(
      this.#ports,
      {
        peer,
        session,
        initiator,
        hopeful: !this.#pauses.has(peer.deviceId),
        iceServers: this.#iceServers,
      },
      {
        signal: (signal) => this.#send(peer.deviceId, signal),
        open: () => {
          this.#pauses.delete(peer.deviceId);
          this.#events.opened(link);
          this.#events.changed();
        },
        frame: (frame) => this.#events.frame(link, frame),
        closed: (reason, wanted) => this.#closed(link, reason, wanted),
      },
    );
    this.#links.set(peer.deviceId, link);
    this.#events.changed();
    return link;
  }

  #send(to: DeviceId, signal: Signal): void {
    this.#events.sendSignal(to, sealSignal(this.#key, to, signal)).catch((error: unknown) => {
      // Without its signals the attempt ends by its own time limit; a lost refusal costs as much.
      this.#ports.log.debug("a signal was not carried", { code: DovetailError.from(error).code });
    });
  }

  #closed(link: DirectLink, reason: string, wanted: boolean): void {
    const { deviceId } = link.peer;
    this.#ports.log.info("direct channel ended", { reason });
    // One that was replaced is no failure: its successor stands in its place already.
    if (this.#links.get(deviceId) === link) {
      this.#links.delete(deviceId);
      // One that worked is rebuilt at once (WebRTC's answer to a changed network).
      if (!wanted || !link.wasOpen) this.#pause(deviceId, wanted);
    }
    this.#events.closed(link);
    this.#events.changed();
  }

  #pause(device: DeviceId, wanted: boolean): void {
    const failures = (this.#pauses.get(device)?.failures ?? 0) + 1;
    const length = wanted ? FIRST_PAUSE_MS * 2 ** Math.min(failures - 1, 10) : LONGEST_PAUSE_MS;
    const jitter = 0.75 + this.#ports.random.fraction() / 2;
    const until = this.#ports.clock.monotonic() + Math.min(length, LONGEST_PAUSE_MS) * jitter;
    this.#pauses.set(device, { failures, until });
  }
}
