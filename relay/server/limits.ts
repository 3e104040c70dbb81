import { isIPv6 } from "node:net";
import type { DeviceId } from "../../shared/ids.js";
import type { Clock } from "../../shared/runtime.js";
import { Buckets } from "../core/buckets.js";
import { BURST_SECONDS, FULL_RETRY_MS, OWED_SECONDS } from "./bounds.js";

export interface Rates {
  /** Requests a second of one device. */
  readonly deviceRate: number;
  /** Frames a second of one address. */
  readonly addressRate: number;
  /** New connections a second of one address. */
  readonly connectionRate: number;
  /** Registrations a minute of one address. */
  readonly registrationRate: number;
  /** Open connections of one address. */
  readonly addressConnections: number;
}

/**
 * What one address and one device may do. An address comes to all nodes of a relay alike, so each of n
 * takes n tokens where one node would take one: together they allow what was said, as long as they
 * agree on how many they are. A device has one connection, and with it one node.
 */
export class Limits {
  readonly #devices: Buckets;
  readonly #frames: Buckets;
  readonly #connections: Buckets;
  readonly #registrations: Buckets;
  readonly #addressConnections: number;
  readonly #open = new Map<string, number>();
  readonly #nodes: () => number;

  /** `nodes`: how many there are at the moment. */
  constructor(clock: Clock, rates: Rates, nodes: () => number = () => 1) {
    const perSecond = (rate: number) => new Buckets(clock, rate * BURST_SECONDS, rate / 1_000);
    this.#devices = perSecond(rates.deviceRate);
    const { addressRate } = rates;
    this.#frames = new Buckets(
      clock,
      addressRate * BURST_SECONDS,
      addressRate / 1_000,
      addressRate * OWED_SECONDS,
    );
    this.#connections = perSecond(rates.connectionRate);
    this.#registrations = new Buckets(
      clock,
      rates.registrationRate,
      rates.registrationRate / 60_000,
    );
    this.#addressConnections = rates.addressConnections;
    this.#nodes = nodes;
  }

  request(device: DeviceId): number {
    return this.#devices.take(device);
  }

  /** One came, which is handled in any case: 0, or the milliseconds for which no further ones are to be read. */
  frame(address: string): number {
    return this.#frames.owe(keyOf(address), this.#nodes());
  }

  /** Whether the address may have one more: 0, or the milliseconds after which to ask again. */
  connection(address: string): number {
    const key = keyOf(address);
    const most = Math.ceil(this.#addressConnections / this.#nodes());
    if ((this.#open.get(key) ?? 0) >= most) return FULL_RETRY_MS;
    return this.#connections.take(key, this.#nodes());
  }

  /** One that was allowed is open. */
  opened(address: string): void {
    const key = keyOf(address);
    this.#open.set(key, (this.#open.get(key) ?? 0) + 1);
  }

  closed(address: string): void {
    const key = keyOf(address);
    const left = (this.#open.get(key) ?? 0) - 1;
    if (left > 0) this.#open.set(key, left);
    else this.#open.delete(key);
  }

  registration(address: string): number {
    return this.#registrations.take(keyOf(address), this.#nodes());
  }
}

/** Whoever has one IPv6 address usually has the 2^64 that share its first half. */
function keyOf(address: string): string {
  if (!isIPv6(address)) return address;
  if (/^::ffff:\d+\./i.test(address)) return address.slice(7);
  const [before = "", after] = address.split("::");
  const head = before === "" ? [] : before.split(":");
  const tail = after ? after.split(":") : [];
  const zeros = after === undefined ? 0 : 8 - head.length - tail.length;
  return [...head, ...Array<string>(zeros).fill("0"), ...tail].slice(0, 4).join(":");
}
