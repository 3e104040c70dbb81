/** Which of the own devices the person uses, and what they have in front there. */
import type { ConversationId, DeviceId } from "../../shared/ids.js";
import type { Attention as Told } from "../../shared/protocol.js";
import type { Core } from "./core.js";
import type { RelayLink } from "./relay-link.js";

/** While somebody goes on using this device, the others are told this often. */
const REPEAT_MS = 30_000;

interface Use {
  readonly conversationId: ConversationId | null;
  /** Whether the person is at the window. */
  readonly active: boolean;
  /** Whether the shell can show alerts. */
  readonly alerts: boolean;
}

export class Attention {
  readonly #core: Core;
  readonly #relay: RelayLink;
  readonly #changed: () => void;
  readonly #unsubscribe: () => void;
  /** Null until a shell has told. */
  #use: Use | null = null;
  /** In monotonic milliseconds. To start a device is to use it. */
  #usedAt: number;
  #toldAt = Number.NEGATIVE_INFINITY;
  /** Empty while this device is alone or without the relay. */
  #devices: readonly Told[] = [];

  /** `changed` is called when devices came, went, or are used otherwise. */
  constructor(core: Core, relay: RelayLink, changed: () => void) {
    this.#core = core;
    this.#relay = relay;
    this.#changed = changed;
    this.#usedAt = core.ports.clock.monotonic();
    this.#unsubscribe = core.events.subscribe(({ event }) => {
      if (event === "settings.changed") this.#tell();
    });
  }

  get online(): boolean {
    return this.#relay.connected;
  }

  set(use: Use): void {
    const now = this.#core.ports.clock.monotonic();
    const before = this.#use;
    if (use.active || before?.active) this.#usedAt = now;
    this.#use = use;
    const same =
      before?.active === use.active &&
      before.conversationId === use.conversationId &&
      before.alerts === use.alerts;
    if (!same || (use.active && now - this.#toldAt >= REPEAT_MS)) this.#tell();
  }

  connected(): void {
    this.#devices = [];
    this.#tell();
  }

  /** For a new device: what came right behind the welcome found no account to hear it. */
  ask(): void {
    if (!this.#use) this.#relay.tell({ type: "attention", conversationId: null, usedAgo: null });
  }

  disconnected(): void {
    this.#devices = [];
  }

  hear(devices: readonly Told[]): void {
    this.#devices = devices;
    this.#changed();
  }

  /** Whether that is this device which, of those that are there, has been there for longest. */
  get isFirst(): boolean {
    const [first] = [...this.#devices].sort(
      (a, b) => a.since - b.since || (a.deviceId < b.deviceId ? -1 : 1),
    );
    return !first || first.deviceId === this.#core.state.self.deviceId;
  }

  isThere(device: DeviceId): boolean {
    return this.#devices.some(({ deviceId }) => deviceId === device);
  }

  /** Whether the person sees what comes there, on this device. */
  sees(conversationId: ConversationId): boolean {
    return this.#front === conversationId;
  }

  /** Whose of the own devices something is that the relay got `at`, in its time. */
  ownerOf(conversationId: ConversationId, at: number): DeviceId {
    return ownerOf(this.#devices, conversationId, at) ?? this.#core.state.self.deviceId;
  }

  close(): void {
    this.#unsubscribe();
  }

  get #front(): ConversationId | null {
    return this.#use?.active ? this.#use.conversationId : null;
  }

  #tell(): void {
    const { ports, state } = this.#core;
    if (!this.#use) return;
    const now = ports.clock.monotonic();
    this.#toldAt = now;
    const able = this.#use.alerts && state.settings.notifications;
    const usedAgo = able ? Math.round(now - this.#usedAt) : null;
    this.#relay.tell({ type: "attention", conversationId: this.#front, usedAgo });
  }
}

/**
 * The one that has it in front or else is to alert to it, the same on every device; null where there
 * is none. A device that was not there when it came leaves it to those that were.
 */
function ownerOf(
  devices: readonly Told[],
  conversationId: ConversationId,
  at: number,
): DeviceId | null {
  const front = devices.find((device) => device.conversationId === conversationId);
  if (front) return front.deviceId;
  const able = preferred(devices, ({ usedAt }) => usedAt !== null);
  const there = preferred(able, ({ since }) => since <= at);
  const [latest] = [...there].sort(
    (a, b) => (b.usedAt ?? 0) - (a.usedAt ?? 0) || (a.deviceId < b.deviceId ? -1 : 1),
  );
  return latest?.deviceId ?? null;
}

/** Those for which it is true, or all where it is true for none. */
function preferred<T>(all: readonly T[], test: (each: T) => boolean): readonly T[] {
  const some = all.filter(test);
  return some.length > 0 ? some : all;
}
